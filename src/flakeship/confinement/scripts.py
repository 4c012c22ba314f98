"""What of a flake must be executed here runs where it sees nothing of ours: in namespaces, or as a user who owns nothing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from flakeship import events, process
from flakeship.confinement import variables
from flakeship.errors import BuildError

_LAUNCHER: Final = str(Path(__file__).with_name("launcher.py"))
_PROBE_SECONDS: Final = 20.0
_MOST_PATHS: Final = 8000
"""As many as surely have room on a command line."""
_HAS_NAMESPACES: Final = sys.platform == "linux"

NOT_POSSIBLE: Final = 124
NOT_STARTED: Final = 125
"""Exit codes of the launcher: it can't make namespaces, it can't start the program."""

Mode: TypeAlias = Literal["store", "own", "nobody", "plain", "user", "sweep"]


class Confinement:
    """How a run confines what it executes; asked of the machine once, and told once where it is not all that it should be.

    `required` is True where the input `sandbox` allows nothing less than namespaces.
    """

    def __init__(self, *, required: bool = False, emit: events.Emit = events.ignore) -> None:
        self.required = required
        self._emit = emit
        self._told: set[str] = set()

    def alone(self, program: Sequence[str], paths: Sequence[str], *, store: Path) -> tuple[str, ...]:
        """The command line that runs a program of the store where it can read `paths` and nothing else.

        BuildError where that is required and this machine allows no namespaces.
        """
        if self.in_namespaces:
            shown = paths if len(paths) <= _MOST_PATHS else (str(store),)
            return launched("store", shown, program)
        if self.required:
            raise BuildError(
                f"`sandbox` is `required`, but {program[0]} can't be confined: no namespaces can be made here",
                hint="run where namespaces are allowed, use dockerTools.buildLayeredImage, which needs no script, or set "
                "`sandbox: auto`",
            )
        if self._as_nobody:
            self._tell(
                "scripts of the flake run as the user nobody, with the network: no namespaces can be made here"
            )
            return launched("nobody", (), program)
        self._tell("scripts of the flake run as this user, with the network: no namespaces can be made here")
        return launched("plain", (), program)

    def as_its_user_would(self, program: Sequence[str]) -> tuple[str, ...]:
        """The command line of a script of the user's own, which needs what it needs: files, network, perhaps an engine.

        BuildError where a sandbox is required.
        """
        if self.required:
            raise BuildError(
                f"`sandbox` is `required`, but {program[0]} is not a script of nixpkgs' streamLayeredImage",
                hint="set `source` to the archive that the script writes, or set `sandbox: auto`",
            )
        self._tell(
            f"{program[0]} is not a script of nixpkgs, so it runs as the user who started flakeship, without the secrets of the run"
        )
        return launched("own" if _possible("own") else "user", (), program)

    @property
    def in_namespaces(self) -> bool:
        """Whether this machine lets us make namespaces."""
        return _possible("store")

    @property
    def reads_private_folders(self) -> bool:
        """Whether the program is of a user who may read what is only ours."""
        return self.in_namespaces or self.required or not self._as_nobody

    @property
    def _as_nobody(self) -> bool:
        return _possible("nobody")

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._emit(events.Notice(text))


def launched(mode: Mode, paths: Sequence[str], program: Sequence[str]) -> tuple[str, ...]:
    """The command line of the launcher; its modes are told there. On a Mac, which has no namespaces, a program is started alone."""
    if program and not _HAS_NAMESPACES:
        return tuple(program)
    # Isolated and without site: neither the environment nor the working folder has a say in what is imported.
    return (sys.executable, "-I", "-S", _LAUNCHER, mode, *paths, "--", *program)


@functools.cache
def _possible(mode: Mode) -> bool:
    """Whether the launcher can do all of it but start a program."""
    if not _HAS_NAMESPACES:
        return False
    try:
        done = process.run(launched(mode, (), ()), environ=variables.SCRIPT, timeout=_PROBE_SECONDS)
    except (process.NotStartedError, TimeoutError):
        return False
    return done.returncode == 0
