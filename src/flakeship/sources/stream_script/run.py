"""A script that writes a docker-archive to stdout: run once and read forward, for one with `created = "now"` writes
other bytes on each run.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from flakeship import events, process
from flakeship.errors import NotAnImageError
from flakeship.image.model import Layer
from flakeship.image.tar.reader import DamagedError
from flakeship.sources.docker_archive import StreamedArchive, reported
from flakeship.sources.opened import Opened, SourceRequest

_TAIL: Final = 20


@contextlib.contextmanager
def run(path: Path, request: SourceRequest) -> Iterator[Opened]:
    """Run the script and read what it writes. NotAnImageError where it fails."""
    said: deque[str] = deque(maxlen=_TAIL)

    def hear(line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        said.append(text)
        request.emit(events.BuildLog(text))

    environ = environ_of(request.environ)
    with _startable(path), process.running([str(path)], environ=environ, on_stderr=hear) as script:
        output = _Output(StreamedArchive(script.stdout, f"the output of {path}"), script, path, said)
        try:
            with reported(f"the output of {path}"):
                yield output
        except NotAnImageError as error:
            # a script that failed says more than the place where its output stops
            if isinstance(error.__cause__, DamagedError) and not script.stdout.read(1):
                output.check_exit()
            raise


def environ_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for the script: without secrets, and such that its Python writes names of files unchanged.

    https://docs.python.org/3/using/cmdline.html#envvar-PYTHONUTF8
    """
    return {**process.without_secrets(environ), "PYTHONUTF8": "1"}


class _Output:
    """The archive that a script writes, and after its end the script's exit status."""

    forward_only = True

    def __init__(
        self, archive: StreamedArchive, script: process.Running, path: Path, said: Iterable[str]
    ) -> None:
        self._archive, self._script, self._path, self._said = archive, script, path, said
        self.image = archive.image

    def layers(self) -> Iterator[Layer]:
        yield from self._archive.layers()
        self.check_exit()

    def check_exit(self) -> None:
        if returncode := self._script.wait():
            end = (
                f"failed with exit code {returncode}"
                if returncode > 0
                else f"was killed by signal {-returncode}"
            )
            raise NotAnImageError(
                f"{self._path} {end} while it wrote the image",
                hint="run it by hand with its output sent to /dev/null; its last lines are above",
                detail="\n".join(self._said),
            )


@contextlib.contextmanager
def _startable(path: Path) -> Iterator[None]:
    try:
        yield
    except process.NotStartedError as error:
        raise NotAnImageError(
            f"{error.message}: the script's interpreter is missing, or made for another system",
            hint="build the image for this machine's system, or use dockerTools.buildLayeredImage, which is data",
        ) from error
