"""What other processes of this machine can see of ours: no value of a variable that may be a secret, no memory, no core."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final, cast

_SET_DUMPABLE: Final = 4
_ENV_START: Final = 50 - 3
"""The place in /proc/PID/stat, counted behind the name of the program. https://man7.org/linux/man-pages/man5/proc.5.html"""

_LARGEST: Final = 16 << 20
_IN_VIEW: Final = frozenset(
    b"PATH HOME USER LOGNAME SHELL TERM LANG LANGUAGE TZ TZDIR TMPDIR PWD HOSTNAME SSL_CERT_FILE SSL_CERT_DIR OPENSSL_CONF "
    b"LD_LIBRARY_PATH RES_OPTIONS LOCALDOMAIN LOCALE_ARCHIVE RUNNER_TRACKING_ID BUILD_ID JENKINS_NODE_COOKIE "
    b"JENKINS_SERVER_COOKIE HUDSON_SERVER_COOKIE".split()
)
"""What stays in the environment that other processes see: what C libraries read late, and by what CI finds the processes
that a job left behind.
"""


def withdraw() -> None:
    """Do all of it, as far as this system lets us. What Python has read of the environment already stays in os.environ."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        _overwrite()
    with contextlib.suppress(OSError, ValueError, ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # ctypes itself would take 6 ms; a call without pointers needs no more than this of it.
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import _ctypes

        _ctypes.call_function(
            _ctypes.dlsym(_ctypes.dlopen(cast("str", None), 0), "prctl"), (_SET_DUMPABLE, 0, 0, 0, 0)
        )


def _overwrite() -> None:
    """Write to our own memory where the kernel put the environment at the start: /proc/PID/environ shows that for ever."""
    with Path("/proc/self/stat").open("rb") as file:
        words = file.read().rpartition(b")")[2].split()
    start, end = int(words[_ENV_START]), int(words[_ENV_START + 1])
    if not 0 < end - start <= _LARGEST:
        return
    with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        memory.seek(start)
        block = memory.read(end - start)
        memory.seek(start)
        memory.write(b"\0".join(map(_overwritten, block.split(b"\0"))))


def _overwritten(entry: bytes) -> bytes:
    """A `NAME=value`, with zeros for a value that may be a secret."""
    name, equals, value = entry.partition(b"=")
    in_view = name in _IN_VIEW or name.startswith((b"LC_", b"MALLOC_"))
    return entry if in_view else name + equals + bytes(len(value))
