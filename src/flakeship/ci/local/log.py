"""A laptop, or a platform that we do not know: the log is all there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

from flakeship import events, report
from flakeship.errors import Error
from flakeship.printable import printable, printable_lines


def open_log(
    out: TextIO, level: str, environ: Mapping[str, str], *, secrets: Sequence[str]
) -> AbstractContextManager[events.Emit]:
    return report.opened(out, level, environ)


def report_failure(error: Error, out: TextIO, *, cwd: Path) -> None:
    """What others wrote stands between what failed and what to do."""
    lines = [*_lines(f"error: {error.message}"), *detail_of(error)]
    if error.hint:
        lines += _lines(f"  -> {error.hint}", "  ")
    out.write("\n".join(lines) + "\n")
    out.flush()


def detail_of(error: Error) -> list[str]:
    return [f"    {printable(line)}" for line in error.detail.splitlines()]


def _lines(text: str, indent: str = "") -> list[str]:
    first, *more = printable_lines(text).split("\n")
    return [first, *(f"{indent}{line}" for line in more)]
