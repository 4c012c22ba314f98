"""Which Python executes nixpkgs' script: its own, or ours where its own is for another system, or not on this machine."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flakeship import process
from flakeship.image.model import Platform
from flakeship.image.program_header import architecture_of
from flakeship.sources.stream_script.recognition import interpreter_of
from flakeship.sources.stream_script.run import Executed

_SECONDS: Final = 30.0
_PYTHON: Final = re.compile(r"/python[\d.]*-(?P<major>\d+)\.(?P<minor>\d+)[^/]*/")
_LIKE_OURS: Final = (3, 9)
"""From this version on Python's tarfile writes the same bytes as ours: before, it wrote device numbers of what is no device."""
_LIBRARIES: Final = ("/lib", "/lib64", "/usr")


# docs/decisions.md#foreign-scripts-are-executed-by-our-python
def command_line(
    executed: Executed, script: str, conf: str, *, otherwise: Sequence[str], also: Sequence[str] = ()
) -> tuple[str, ...]:
    """The command line that executes the script by our Python, and `otherwise` where its own runs here.

    It can read `also`. BuildError as a Confinement raises it.
    """
    if not executed.is_elsewhere and _runs_here(executed, interpreter_of(Path(script))):
        return executed.argv(*otherwise, also=also)
    # Isolated and without site: the script imports nothing but the standard library.
    return executed.argv(sys.executable, "-I", "-S", script, conf, also=(*also, *_own_python()))


def writes_otherwise(interpreter: str) -> bool:
    """Whether a Python of Nix, whose name tells its version, writes other tars than ours does."""
    found = _PYTHON.search(interpreter)
    return found is not None and (int(found["major"]), int(found["minor"])) < _LIKE_OURS


def _runs_here(executed: Executed, interpreter: str) -> bool:
    """Whether this machine executes the interpreter, by itself or by an emulator that its kernel knows."""
    made_for = architecture_of(Path(interpreter))
    here = Platform.of("linux", os.uname().machine).architecture
    if sys.platform == "linux" and made_for in ("", here):
        return True
    try:
        argv = executed.argv(interpreter, "-c", "")
        return process.run(argv, environ=executed.variables, timeout=_SECONDS).returncode == 0
    except (process.NotStartedError, TimeoutError):
        return False


def _own_python() -> tuple[str, ...]:
    """What our own Python reads: where it lies, and the system's libraries, or Nix's store where it lies there."""
    homes = {sys.prefix, sys.base_prefix}
    outside = {home for home in homes if not home.startswith("/nix/")}
    shown = {*outside, *(("/nix/store",) if outside != homes else ()), *_LIBRARIES}
    return tuple(sorted(path for path in shown if Path(path).exists()))
