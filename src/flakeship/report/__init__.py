"""What the user sees of a run: plain lines, or on a terminal lines that move."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TextIO

from flakeship import events
from flakeship.report.plain import LOG_LEVELS, PlainReport


@contextlib.contextmanager
def opened(out: TextIO, level: str, environ: Mapping[str, str]) -> Iterator[events.Emit]:
    """The report that fits `out`: CI's logs are no terminals, and NO_COLOR or TERM=dumb ask for none."""
    if (
        out.isatty()
        and not environ.get("CI")
        and environ.get("TERM", "dumb") != "dumb"
        and level in {"warn", "info"}
    ):
        from flakeship.report.live import live_report

        with live_report(out, LOG_LEVELS[level], colour=not environ.get("NO_COLOR")) as report:
            yield report
    else:
        yield PlainReport(out, LOG_LEVELS[level])
