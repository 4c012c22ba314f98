"""Files that must not outlive this process, by whatever signal it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from flakeship import process
from flakeship.confinement import variables
from flakeship.confinement.scripts import launched


@contextlib.contextmanager
def removed_with_us(paths: Sequence[Path]) -> Iterator[None]:
    """Remove these files if this process ends within the block, also by signal 9: the launcher waits for that.

    Where it can't be started, the next run removes them with their folder.
    """
    if not paths:
        yield
        return
    argv = launched("sweep", [str(path) for path in paths], ())
    with contextlib.ExitStack() as scope:
        with contextlib.suppress(process.NotStartedError):
            scope.enter_context(
                process.running(argv, environ=variables.SCRIPT, on_stderr=_ignored, tied=True)
            )
        yield


def _ignored(_line: bytes) -> None:
    """Nobody asks what a program says that only waits."""
