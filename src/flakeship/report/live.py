"""Progress on a terminal: two lines at the bottom move, and finished steps scroll up as plain lines."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Final, TextIO

from rich.console import Console
from rich.markup import escape as _escaped
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from flakeship import events
from flakeship.printable import printable
from flakeship.report.plain import line_of, size_of

_PERIOD: Final = 1 / 8
"""Seconds between two drawings of the lines that move."""


class LiveReport:
    """An `Emit` that may be called from any thread. Of the build log it shows the last line only."""

    def __init__(self, progress: Progress, level: int) -> None:
        self._progress, self._level, self._lock = progress, level, threading.Lock()
        self._build = progress.add_task("", total=None, visible=False, count="")
        self._read = progress.add_task("layers read", total=None, visible=False, count="")
        self._title, self._bytes = "", 0

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            match event:
                case events.StageStarted(title=title):
                    self._title = _escaped(printable(title))
                    self._progress.update(
                        self._build, description=self._title, total=None, completed=0, visible=True, count=""
                    )
                case events.StageFinished():
                    self._progress.update(self._build, visible=False)
                case events.BuildProgress(done=done, expected=expected):
                    count = f"{done}/{expected} built" if expected else ""
                    self._progress.update(self._build, completed=done, total=expected or None, count=count)
                case events.BuildLog(line=line):
                    text = f"{self._title}  [dim]{_escaped(printable(line)[: self._progress.console.width])}"
                    self._progress.update(self._build, description=text)
                case events.BytesMoved(direction="read", count=count):
                    self._bytes += count
                    self._progress.update(self._read, visible=True, count=size_of(self._bytes))
                case _:
                    self._print(event)

    def refresh(self) -> None:
        """Draw the moving lines again.

        The lock keeps other lines from being printed meanwhile; their remains would stay on the screen.
        """
        with self._lock:
            self._progress.refresh()

    def _print(self, event: events.Event) -> None:
        level, line = line_of(event)
        if line and level <= self._level:
            self._progress.console.print(line, highlight=False, markup=False, soft_wrap=True)


@contextlib.contextmanager
def live_report(out: TextIO, level: int, *, colour: bool) -> Iterator[events.Emit]:
    """Yield a report whose moving lines are removed when the block is left."""
    console = Console(file=out, no_color=not colour)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
    )
    # auto_refresh is off because rich's own thread moves the cursor and draws in two steps, and we may print between them.
    with Progress(*columns, console=console, transient=True, auto_refresh=False, expand=True) as progress:
        report = LiveReport(progress, level)
        with _refreshed(report):
            yield report


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
