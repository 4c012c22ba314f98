"""Events as plain lines of text, for CI logs and pipes."""

from __future__ import annotations

import shlex
import threading
from typing import Final, TextIO

from flakeship import events
from flakeship.printable import printable

LOG_LEVELS: Final = {"error": 0, "warn": 1, "info": 2, "debug": 3}
"""The values of the input `log-level`. A report shows the lines of its own level and of all lower numbers."""


class PlainReport:
    """An `Emit` that writes lines to `out` and may be called from any thread. `level` is a value of LOG_LEVELS."""

    def __init__(self, out: TextIO, level: int) -> None:
        self._out, self._level, self._lock = out, level, threading.Lock()

    def __call__(self, event: events.Event) -> None:
        level, line = line_of(event)
        if line and level <= self._level:
            with self._lock:
                self._out.write(line + "\n")
                self._out.flush()


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
            return 2, f"    {digest[7:19]}  {size_of(size):>9}  {state}  {destination}"
        case events.Retry(what=what, reason=reason, attempt=attempt, wait=wait):
            return 1, f"retry {attempt} of {what} in {wait:.1f} s: {printable(reason)}"
        case events.Notice() | events.Warned() | events.NotPushed():
            return _remark(event)
        case events.Summarised(text=text):
            return 2, f"\n{text}\n"
        case events.Detail(text=text):
            return 3, f"    {printable(text)}"
        case events.BuildProgress() | events.BytesMoved() | events.Secret():
            return 3, ""


def _remark(event: events.Notice | events.Warned | events.NotPushed) -> tuple[int, str]:
    match event:
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
