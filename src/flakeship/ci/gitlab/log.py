"""Writes the log of a GitLab job: stages become sections that fold.

https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections. The runner itself masks only variables that are
declared as masked: what reaches this log has lost its secrets before.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

from flakeship import events
from flakeship.ci.local import log as local
from flakeship.errors import Error
from flakeship.printable import printable, printable_lines
from flakeship.report.plain import LOG_LEVELS, line_of

_COLLAPSED: Final = frozenset({"build", "rebuild"})
"""Stages whose lines come from Nix. An error repeats below the section those that matter."""

_RED: Final = "\x1b[31;1m"
_YELLOW: Final = "\x1b[33m"
_PLAIN: Final = "\x1b[0m"


class SectionLog:
    """Writes events, from any thread. `clock` is the time of day in seconds: GitLab subtracts start from end.

    Only our own sections are marked: a mark has an escape and a carriage return, which are removed from all text.
    """

    def __init__(self, out: TextIO, level: int, clock: Callable[[], float]) -> None:
        self._out, self._level, self._clock, self._lock = out, level, clock, threading.Lock()
        self._section = ""

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            match event:
                case events.StageStarted(name=name, title=title) if self._level >= LOG_LEVELS["info"]:
                    self._start(name, title)
                case events.StageFinished():
                    self._text(event)
                    self._end()
                case _:
                    self._text(event)

    def close(self) -> None:
        """End an open section."""
        with self._lock:
            self._end()

    def _text(self, event: events.Event) -> None:
        level, text = line_of(event)
        if text and level <= self._level:
            shown = printable_lines(text)
            self._write(f"{_YELLOW}{shown}{_PLAIN}\n" if _stands_out(event) else f"{shown}\n")

    def _start(self, name: str, title: str) -> None:
        self._end()
        self._section = f"flakeship_{name}"
        options = "[collapsed=true]" if name in _COLLAPSED else ""
        self._write(f"{self._mark('start')}{options}\r\x1b[0K{printable(title)}\n")

    def _end(self) -> None:
        if self._section:
            self._write(f"{self._mark('end')}\r\x1b[0K\n")
            self._section = ""

    def _mark(self, edge: str) -> str:
        return f"\x1b[0Ksection_{edge}:{int(self._clock())}:{self._section}"

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _stands_out(event: events.Event) -> bool:
    return isinstance(event, events.Warned | events.NotPushed)


@contextlib.contextmanager
def open_log(
    out: TextIO, level: str, environ: Mapping[str, str], *, secrets: Sequence[str]
) -> Iterator[events.Emit]:
    """Write everything where CI_DEBUG_TRACE is set: https://docs.gitlab.com/ci/variables/#enable-debug-logging."""
    wanted = "debug" if environ.get("CI_DEBUG_TRACE") == "true" else level
    report = SectionLog(out, LOG_LEVELS[wanted], time.time)
    try:
        yield report
    finally:
        report.close()


def report_failure(error: Error, out: TextIO, *, cwd: Path, environ: Mapping[str, str]) -> None:
    """Write the error in red, as the runner writes its own errors."""
    text = io.StringIO()
    local.report_failure(error, text, cwd=cwd, environ={})
    out.write(f"{_RED}{text.getvalue().rstrip()}{_PLAIN}\n")
    out.flush()


def safe_on_stdout(text: str) -> str:
    """Return `text` as it is: GitLab obeys only control characters, which neither our text nor JSON has."""
    return text
