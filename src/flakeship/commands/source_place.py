"""Where a `source` can be read as often as a run needs to: where it lies, or in a file that is kept of what comes once."""

from __future__ import annotations

import stat
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.commands.runtime import Runtime
from flakeship.sources.written import WrittenSource

_FILE: Final = "source"


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """`path` can be opened any number of times; `shown` is how messages call it where that is not the path."""

    path: Path
    shown: str = ""


def check_source(source: WrittenSource, runtime: Runtime) -> None:
    """UsageError for a stdin that nobody pipes to, before anything else is done."""
    if source.place == "stdin":
        from flakeship.sources.piped import check_stdin

        check_stdin(runtime.stdin)


def place_of(source: WrittenSource, runtime: Runtime, folder: Callable[[], Path]) -> SourcePlace:
    """Return where a source that is in no registry can be read. What comes once is kept in `folder`, the run's own.

    Errors as by `piped.spooled` and `engine_image.saved`.
    """
    path = runtime.cwd / source.name
    if source.place == "path":
        if not comes_once(source, runtime):
            return SourcePlace(path)
        from flakeship.sources.piped import pieces_of

        return _kept(pieces_of(path, source.shown), source.shown, runtime.emit, folder())
    if source.place == "stdin":
        from flakeship.sources.piped import check_stdin, pieces_of, stdin_file

        check_stdin(runtime.stdin)
        if file := stdin_file(runtime.stdin):
            return SourcePlace(file, source.shown)
        return _kept(pieces_of(runtime.stdin, source.shown), source.shown, runtime.emit, folder())
    from flakeship.sources.engine_image import saved

    pieces = saved(
        source.form,
        source.name,
        environ=runtime.environ,
        home=runtime.home,
        remark=lambda text: runtime.emit(events.Notice(text)),
    )
    return _kept(pieces, source.shown, runtime.emit, folder())


def comes_once(source: WrittenSource, runtime: Runtime) -> bool:
    """Whether a source can't be opened again: stdin, an engine, a FIFO, and `/dev/fd/N` of a shell's `<(…)`."""
    if source.place != "path":
        return True
    try:
        return stat.S_ISFIFO((runtime.cwd / source.name).stat().st_mode)
    except (OSError, ValueError):
        return False


def _kept(pieces: Generator[bytes, None, None], what: str, emit: events.Emit, folder: Path) -> SourcePlace:
    from flakeship.sources.piped import spooled

    # docs/decisions.md#what-comes-once-is-kept
    file = folder / _FILE
    spooled(pieces, file, what=what, emit=emit)
    return SourcePlace(file, what)
