"""Writes to a terminal or to a log that has no commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

from flakeship import events, report
from flakeship.errors import Error
from flakeship.printable import printable, printable_lines
from flakeship.report.colour import is_coloured, red_start


def open_log(
    out: TextIO, level: str, environ: Mapping[str, str], *, secrets: Sequence[str]
) -> AbstractContextManager[events.Emit]:
    """Write lines that move on a terminal, and plain lines elsewhere."""
    return report.opened(out, level, environ)


def report_failure(error: Error, out: TextIO, *, cwd: Path, environ: Mapping[str, str]) -> None:
    """Write the message, the text of others that belongs to it, and the hint."""
    lines = [*_lines(f"error: {error.message}"), *detail_of(error)]
    if is_coloured(out, environ):
        lines[0] = red_start(lines[0])
    if error.hint:
        lines += _lines(f"  -> {error.hint}", "  ")
    out.write("\n".join(lines) + "\n")
    out.flush()


def detail_of(error: Error) -> list[str]:
    """Return the lines of `error.detail`, indented and without control characters."""
    return [f"    {printable(line)}" for line in error.detail.splitlines()]


def _lines(text: str, indent: str = "") -> list[str]:
    first, *more = printable_lines(text).split("\n")
    return [first, *(f"{indent}{line}" for line in more)]
