"""Show a run to the user: as plain lines, or on a terminal with progress bars."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TextIO

from flakeship import events
from flakeship.report.colour import is_coloured, is_terminal
from flakeship.report.plain import LOG_LEVELS, PlainReport


@contextlib.contextmanager
def opened(out: TextIO, level: str, environ: Mapping[str, str]) -> Iterator[events.Emit]:
    """Yield the report that fits `out`: progress bars on a terminal, plain lines everywhere else.

    `level` is a key of LOG_LEVELS. With TERM=dumb or CI there are no bars; whether there are colours `is_coloured` says.
    """
    colour = is_coloured(out, environ)
    if is_terminal(out, environ) and not environ.get("CI") and level in {"warn", "info"}:
        from flakeship.report.live import live_report

        with live_report(out, LOG_LEVELS[level], colour=colour) as report:
            yield report
    else:
        yield PlainReport(out, LOG_LEVELS[level], colour=colour)
