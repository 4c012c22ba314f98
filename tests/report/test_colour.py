"""Colour on a terminal, and what the environment says of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from flakeship import events, report
from flakeship.ci import local
from flakeship.errors import UsageError
from flakeship.report.colour import is_coloured


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "on_terminal", "in_pipe"),
    [
        ({"TERM": "xterm"}, True, False),
        ({}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, False),
        ({"TERM": "xterm", "CLICOLOR": "0"}, False, False),
        ({"TERM": "xterm", "CI": "true"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "CI": "true"}, True, True),
        ({"TERM": "xterm", "FORCE_COLOR": "0"}, False, False),
        ({"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_who_decides(environ: Mapping[str, str], on_terminal: bool, in_pipe: bool) -> None:
    assert (is_coloured(Terminal(), environ), is_coloured(io.StringIO(), environ)) == (on_terminal, in_pipe)


@pytest.mark.parametrize("level", ["error", "debug"])
def test_plain_lines_that_stand_out(level: str) -> None:
    for environ, mark in (({"FORCE_COLOR": "1"}, "\x1b[33m"), ({}, "")):
        out = io.StringIO()
        with report.opened(out, level, environ) as emit:
            emit(events.Notice("a"))
            emit(events.NotPushed("NOT PUSHED", expected=False))
        assert out.getvalue().splitlines()[-1].startswith(f"{mark}warning: NOT PUSHED")
        assert "\x1b[33mnote" not in out.getvalue()


@pytest.mark.parametrize(
    ("environ", "mark"), [({"TERM": "xterm"}, "\x1b[1;31merror:\x1b[0m "), ({}, "error: ")]
)
def test_an_error_is_red_where_there_are_colours(environ: Mapping[str, str], mark: str) -> None:
    out = Terminal()
    local.report_failure(UsageError("a: b", hint="c"), out, cwd=Path(), environ=environ)
    assert out.getvalue() == f"{mark}a: b\n  -> c\n"
