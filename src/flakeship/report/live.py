"""Progress on a terminal: a few lines at the bottom move, and finished steps scroll up as plain lines."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Final, TextIO

from rich.console import Console
from rich.markup import escape as _escaped
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from flakeship import events
from flakeship.printable import printable
from flakeship.report.plain import line_of, size_of, stands_out

_PERIOD: Final = 1 / 8
"""Seconds between two drawings of the lines that move."""

_ROOM_FOR_BAR: Final = 76
"""Columns. A terminal of fewer has the figures alone."""


_ROOM_FOR_RATE: Final = 56
"""Columns. A terminal of fewer has the share and the time alone."""


class _Bytes:
    """Bytes that move, as one line. `total` grows while more is found to be moved; it is shown where it is `whole`."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress, self.title = progress, title
        self._task = progress.add_task(title, total=None, visible=False, count="")
        self.total = self.done = 0
        self.whole = False

    def moved(self, count: int) -> None:
        self.done += count

    def hide(self) -> None:
        self._progress.reset(self._task, start=True, visible=False, total=None)
        self.total = self.done = 0
        self.whole = False

    def draw(self) -> None:
        if not (self.done or (self.whole and self.total)):
            return
        total = max(self.total, self.done) if self.whole and self.total else None
        self._progress.update(
            self._task, description=self.title, total=total, completed=self.done, visible=True
        )
        self._progress.update(self._task, count=self._count(self._progress.tasks[self._task], total))

    def _count(self, task: Task, total: int | None) -> str:
        """Percent, rate and time left, as far as they are known."""
        narrow = self._progress.console.width < _ROOM_FOR_RATE
        rate = f"{size_of(int(task.speed))}/s" if task.speed and not narrow else ""
        if not total:
            return "  ".join(filter(None, (size_of(self.done), rate)))
        left = task.time_remaining
        return "  ".join(
            filter(
                None,
                (
                    f"{100 * self.done // total:3d} %",
                    rate,
                    "" if left is None else f"{_span(left)}{'' if narrow else ' left'}",
                ),
            )
        )


class _Bar(BarColumn):
    """Nothing, where the terminal is narrow."""

    def __init__(self, console: Console) -> None:
        super().__init__(bar_width=20)
        self._console = console

    def render(self, task: Task) -> Text:  # type: ignore[override]  # a column may render anything
        if self._console.width < _ROOM_FOR_BAR:
            return Text("")
        return super().render(task)  # type: ignore[return-value]


class LiveReport:
    """An `Emit` that may be called from any thread. Of the build log it shows the last line only."""

    def __init__(self, progress: Progress, level: int) -> None:
        self._progress, self._level, self._lock = progress, level, threading.Lock()
        self._build = progress.add_task("", total=None, visible=False, count="")
        self._title = self._built = ""
        self._piped = _Bytes(progress, "received")
        self._read, self._sent = _Bytes(progress, "layers read"), _Bytes(progress, "sent")
        self._layers = self._delivered = 0

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            match event:
                case events.StageStarted(title=title):
                    self._title = _escaped(printable(title))
                    self._progress.reset(
                        self._build, description=self._title, total=None, visible=True, count=""
                    )
                    self._built = ""
                case events.StageFinished():
                    self._progress.update(self._build, visible=False)
                    for moving in (self._piped, self._read, self._sent):
                        moving.hide()
                    self._layers = self._delivered = 0
                case events.BuildProgress(done=done, expected=expected):
                    self._built = f"{done}/{expected} built  " if expected else ""
                    self._progress.update(self._build, completed=done, total=expected or None)
                case events.BuildLog(line=line):
                    text = f"{self._title}  [dim]{_escaped(printable(line)[: self._progress.console.width])}"
                    self._progress.update(self._build, description=text)
                case events.BytesMoved(direction=direction, count=count):
                    {"piped": self._piped, "read": self._read, "sent": self._sent}[direction].moved(count)
                case events.BytesAwaited(direction="read", count=count):
                    self._read.total, self._read.whole = self._read.total + count, True
                case events.BytesAwaited(count=count):
                    self._sent.total += count
                case events.LayersAwaited(count=count):
                    self._layers += count
                case events.LayerDelivered():  # the summary has a line for each
                    self._delivered += 1
                case _:
                    self._print(event)

    def refresh(self) -> None:
        """Draw the moving lines again.

        The lock keeps other lines from being printed meanwhile; their remains would stay on the screen.
        """
        with self._lock:
            if self._layers:
                self._read.title = f"layers {min(self._delivered, self._layers)}/{self._layers}"
            elif self._delivered:
                self._read.title = f"layers {self._delivered}"
            # what is to be sent is known when all is packed: until then a share of it would be one of a part
            self._sent.whole = self._read.whole and self._read.done >= self._read.total
            for moving in (self._piped, self._read, self._sent):
                moving.draw()
            spent = self._progress.tasks[self._build].elapsed or 0
            self._progress.update(self._build, count=f"{self._built}{_span(spent)}")
            self._progress.refresh()

    def _print(self, event: events.Event) -> None:
        level, line = line_of(event)
        if line and level <= self._level:
            self._progress.console.print(
                line,
                style="yellow" if stands_out(event) else None,
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


@contextlib.contextmanager
def live_report(out: TextIO, level: int, *, colour: bool) -> Iterator[events.Emit]:
    """Yield a report whose moving lines are removed when the block is left."""
    console = Console(file=out, no_color=not colour)
    with progress_on(console) as progress:
        report = LiveReport(progress, level)
        with _refreshed(report):
            yield report


def progress_on(console: Console, **further: Any) -> Progress:
    """The lines that move, for LiveReport; `further` goes to rich."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True, justify="right")),
        _Bar(console),
    )
    # auto_refresh is off because rich's own thread moves the cursor and draws in two steps, and we may print between them.
    return Progress(*columns, console=console, transient=True, auto_refresh=False, expand=True, **further)


def _span(seconds: float) -> str:
    """A span of time as clocks show it: `0:05`, `1:02:03`."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextlib.contextmanager
def _refreshed(report: LiveReport) -> Iterator[None]:
    done = threading.Event()

    def refresh() -> None:
        while not done.wait(_PERIOD):
            report.refresh()

    thread = threading.Thread(target=refresh, name="refresh", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
