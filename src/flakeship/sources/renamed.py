"""A source that is read from a file that nobody knows by its name: messages call it by what the user wrote."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.errors import Error
from flakeship.image.tar.blocks import DamagedError
from flakeship.sources.opened import Opened, SourceRequest

_CUT_OFF: Final = (
    "what came was cut off or is damaged: see what the program at the other end says, and how it ended"
)


@contextlib.contextmanager
def renamed(
    path: Path,
    request: SourceRequest,
    opened: Callable[[Path, SourceRequest], contextlib.AbstractContextManager[Opened]],
) -> Iterator[Opened]:
    """Open the source at `path`; errors and notices have `request.shown` in place of the path."""
    name, shown = str(path), request.shown

    def emit(event: events.Event) -> None:
        match event:
            case events.Notice(text=text):
                event = events.Notice(text.replace(name, shown))
            case events.Warned(text=text, hint=hint):
                event = events.Warned(text.replace(name, shown), hint.replace(name, shown))
            case _:
                pass
        request.emit(event)

    try:
        with opened(path, replace(request, shown="", emit=emit)) as source:
            yield source
    except Error as error:
        error.message, error.hint = error.message.replace(name, shown), error.hint.replace(name, shown)
        if isinstance(error.__cause__, DamagedError):
            error.hint = _CUT_OFF
        raise
