"""A child process: how it is started in a process group of its own, without a shell, and how that group is ended."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flakeship.errors import Error, ResourceError, advice

_LACKS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""What fork(2) and pipe(2) answer where a limit is reached: it says nothing of the program."""

GRACE: Final = 2.0
"""Seconds between SIGTERM and SIGKILL, and of silence after which a program that has ended is not listened to any more."""


class NotStartedError(Error):
    """The program or the working folder does not exist, or may not be used."""

    @property
    def absent(self) -> bool:
        """True if there is no such program here."""
        return isinstance(self.__cause__, FileNotFoundError)


@contextlib.contextmanager
def started(
    argv: Sequence[str], *, environ: Mapping[str, str], cwd: str | None, stdin: int
) -> Iterator[subprocess.Popen[bytes]]:
    try:
        child = subprocess.Popen(
            list(argv),
            bufsize=0,  # a buffered pipe can't be closed while a thread reads it
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        if error.errno in _LACKS:
            hint = "raise `ulimit -u`, or the container's own limit (`pids`): too many processes run"
            raise ResourceError(
                f"can't start {argv[0]}: {error.strerror}", hint=advice(error, hint)
            ) from error
        missing = error.filename if error.filename == cwd else argv[0]
        raise NotStartedError(f"can't start {argv[0]}: {missing}: {error.strerror}") from error
    try:
        yield child
    finally:
        if child.returncode is None:
            end_group(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def end_group(child: subprocess.Popen[bytes]) -> None:
    """End the child and its children with SIGTERM, and after two seconds with SIGKILL."""
    _signal_group(child, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while _signal_group(child, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    _signal_group(child, signal.SIGKILL)
    child.wait()


def _signal_group(child: subprocess.Popen[bytes], number: int) -> bool:
    """Signal the process group; return False if no process of it is left. A group can outlive the child, its leader."""
    child.poll()
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
