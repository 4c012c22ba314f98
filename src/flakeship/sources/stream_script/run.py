"""A script that writes a docker-archive to stdout: run once and read forward, for one with `created = "now"` writes
other bytes on each run.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship import events, process
from flakeship.confinement import variables
from flakeship.confinement.scripts import NOT_STARTED, Confinement
from flakeship.errors import DOCS, NotAnImageError
from flakeship.image.model import Layer
from flakeship.image.tar.blocks import DamagedError
from flakeship.sources.docker_stream import StreamedArchive, reported
from flakeship.sources.opened import Opened
from flakeship.sources.stream_script.recognition import StreamScript

_TAIL: Final = 20
_HEARD: Final = 256 << 20
"""Bytes of messages that reach the log."""

BOUNDS: Final = process.Bounds(patience=600, rate=1_000_000, size=256 << 30)
"""Between two layers the script may read all of one and say nothing; no registry takes an image of this size."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What is executed, and what it may know. `script` is None for one that is the user's own.

    `readable` are the files that a script of nixpkgs needs.
    """

    path: Path
    environ: Mapping[str, str]
    pass_env: tuple[str, ...]
    emit: events.Emit
    confinement: Confinement
    store: Path
    script: StreamScript | None
    readable: Callable[[], Sequence[str]]
    is_elsewhere: bool = False
    """Whether the store that it lies in is not on this machine, nor the Python that it names."""

    def argv(self, *program: str, also: Sequence[str] = ()) -> tuple[str, ...]:
        """The command line that runs `program`, which may read `also`. BuildError as a Confinement raises it."""
        self.emit(events.Command(program))
        if self.script is None:
            return self.confinement.as_its_user_would(program)
        readable = tuple(dict.fromkeys((*self.readable(), *also)))
        return self.confinement.alone(program, readable, store=self.store)

    @property
    def variables(self) -> Mapping[str, str]:
        if self.script is None:
            return {**variables.OWN_SCRIPT.of(self.environ, self.pass_env), "PYTHONUTF8": "1"}
        return variables.SCRIPT


_OF_VARIABLES: Final = f"; name a variable that it needs in `pass-env`: by itself it gets those of the list at {DOCS}/security.md#what-each-program-is-given"


@contextlib.contextmanager
def run(executed: Executed, argv: Sequence[str]) -> Iterator[Opened]:
    """Run the script by this command line and read what it writes. NotAnImageError where it fails, BuildError as a Confinement raises it."""
    said = deque[str](maxlen=_TAIL)
    heard, path = 0, executed.path

    def hear(line: bytes) -> None:
        nonlocal heard
        text = line.decode("utf-8", "replace")
        said.append(text)
        heard += len(line)
        if heard <= _HEARD:
            executed.emit(events.BuildLog(text))

    with (
        _startable(path),
        process.running(argv, environ=executed.variables, on_stderr=hear, bounds=BOUNDS, tied=True) as script,
    ):
        of_variables = _OF_VARIABLES if executed.script is None else ""
        output = _Output(
            StreamedArchive(script.stdout, f"the output of {path}"), script, path, said, of_variables
        )
        try:
            with reported(f"the output of {path}"):
                yield output
        except NotAnImageError as error:
            output.check_bounds()
            # a script that failed says more than the place where its output stops
            if isinstance(error.__cause__, DamagedError) and not script.stdout.read(1):
                output.check_exit()
            raise


class _Output:
    """The archive that a script writes, and after its end the script's exit status."""

    forward_only = True

    def __init__(
        self,
        archive: StreamedArchive,
        script: process.Running,
        path: Path,
        said: deque[str],
        of_variables: str,
    ) -> None:
        self._of_variables = of_variables
        self._archive, self._script, self._path, self._said = archive, script, path, said
        self.image = archive.image

    def layers(self) -> Iterator[Layer]:
        yield from self._archive.layers()
        self.check_exit()

    def check_bounds(self) -> None:
        if how := self._script.exceeded():
            raise NotAnImageError(
                f"{self._path} was ended: it {how}",
                hint="run it by hand with its output sent to `wc --bytes`, to see what it waits for",
                detail="\n".join(self._said),
            )

    def check_exit(self) -> None:
        returncode = self._script.wait()
        self.check_bounds()
        if returncode == NOT_STARTED and self._said and self._said[-1].startswith(f"{self._path}: "):
            raise _not_startable(self._said[-1])
        if returncode:
            end = (
                f"failed with exit code {returncode}"
                if returncode > 0
                else f"was killed by signal {-returncode}"
            )
            raise NotAnImageError(
                f"{self._path} {end} while it wrote the image",
                hint="run it by hand with its output sent to /dev/null, and read its last lines above"
                + self._of_variables,
                detail="\n".join(self._said),
            )


@contextlib.contextmanager
def _startable(path: Path) -> Iterator[None]:
    try:
        yield
    except process.NotStartedError as error:
        raise _not_startable(error.message) from error


def _not_startable(why: str) -> NotAnImageError:
    return NotAnImageError(
        f"{why}: the script's interpreter is missing, or made for another system",
        hint="build the image for this machine's system, or use dockerTools.buildLayeredImage, which needs no script",
    )
