"""Events as plain lines of text, for CI logs and pipes."""

from __future__ import annotations

import shlex
import threading
from typing import Final, TextIO

from flakeship import events
from flakeship.printable import printable
from flakeship.report.colour import yellow

LOG_LEVELS: Final = {"error": 0, "warn": 1, "info": 2, "debug": 3}
"""The values of the input `log-level`. A report shows the lines of its own level and of all lower numbers."""


class PlainReport:
    """An `Emit` that writes lines to `out` and may be called from any thread. `level` is a value of LOG_LEVELS.

    With `colour` those that stand out are yellow.
    """

    def __init__(self, out: TextIO, level: int, *, colour: bool = False) -> None:
        self._out, self._level, self._colour, self._lock = out, level, colour, threading.Lock()

    def __call__(self, event: events.Event) -> None:
        level, line = line_of(event)
        if line and level <= self._level:
            with self._lock:
                self._out.write(f"{yellow(line) if self._colour and stands_out(event) else line}\n")
                self._out.flush()


def stands_out(event: events.Event) -> bool:
    """Whether the line of an event is one that a reader should not miss."""
    return isinstance(event, events.Warned | events.Retry) or (
        isinstance(event, events.NotPushed) and not event.expected
    )


def line_of(event: events.Event) -> tuple[int, str]:
    """Return the log level of an event and its line; the line is empty if the event has none."""
    match event:
        case events.Started(version=version):
            return 2, f"flakeship {version}"
        case events.StageStarted(title=title):
            return 2, f"==> {printable(title)}"
        case events.StageFinished(name=name, seconds=seconds):
            return 3, f"    {name} took {seconds:.2f} s"
        case events.Command(argv=argv):
            return 3, f"  + {shlex.join(argv)}"
        case events.BuildLog(line=line):
            return 2, f"    {printable(line)}"
        case events.LayerProgress(state="reading" | "packed", name=name, digest=digest, size=size):
            return 3, f"    {printable(name)} {event.state} {digest} {size_of(size) if size else ''}"
        case events.LayerProgress(state=state, digest=digest, size=size, destination=destination):
            return 3, f"    {digest[7:19]} {state} {destination}"
        case events.LayerDelivered(digest=digest, size=size):
            return 2, f"    {digest[7:19]}  {size_of(size):>9}  {_delivered(event)}"
        case events.Retry(what=what, reason=reason, attempt=attempt, wait=wait):
            return (
                1,
                f"{what} failed, and is tried again in {wait:.1f} s (retry {attempt}): {printable(reason)}",
            )
        case events.Notice() | events.Warned() | events.NotPushed() | events.StillWaiting():
            return _remark(event)
        case events.Summarised(text=text):
            return 2, f"\n{text}\n"
        case events.CachesTold(text=text):
            return 2, printable(text)
        case events.Detail(text=text):
            return 3, f"    {printable(text)}"
        case _:
            return 3, ""


def _delivered(event: events.LayerDelivered) -> str:
    """The destinations of a layer on one line, those of one state together."""
    by_state: dict[str, list[str]] = {}
    for state, destination in zip(event.states, event.destinations, strict=True):
        by_state.setdefault(state, []).append(destination)
    return "; ".join(f"{state}  {', '.join(places)}" for state, places in by_state.items())


def _remark(
    event: events.Notice | events.Warned | events.NotPushed | events.StillWaiting,
) -> tuple[int, str]:
    match event:
        case events.StillWaiting(text=text):
            return 2, f"waiting: {printable(text)}"
        case events.Notice(text=text):
            return 2, f"note: {printable(text)}"
        case events.Warned(text=text, hint=hint):
            return 1, f"warning: {printable(text)}" + (f"\n  -> {printable(hint)}" if hint else "")
        case events.NotPushed(text=text, expected=expected):
            return 0, f"{'note' if expected else 'warning'}: {printable(text)}"


def size_of(count: int) -> str:
    """Return a count of bytes in decimal units, `12.3 MB`, as the web pages of registries do."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if round(size, 1) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"
