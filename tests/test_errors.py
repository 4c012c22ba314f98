"""Every error says what to do next. The test reads the source of all modules, so that it misses no error."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from flakeship import cli, errors
from flakeship.http.errors import WireError

SOURCE = Path(__file__).parents[1] / "src/flakeship"
ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)} - {
    "Error",
    "CancelledError",
}
WITHIN = {"commands/event.py"}
"""Modules that catch their own errors, which no user sees."""


def test_every_error_has_a_hint() -> None:
    without = [
        f"{path.relative_to(SOURCE)}:{call.lineno}"
        for path in SOURCE.rglob("*.py")
        if str(path.relative_to(SOURCE)) not in WITHIN
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ERRORS
        if not {"hint", None} & {keyword.arg for keyword in call.keywords}
    ]
    assert not without


def test_an_error_of_a_registry_without_a_hint_gets_the_usual_one(capsys: pytest.CaptureFixture[str]) -> None:
    cli._tell(WireError("it answered 412"))
    assert "`--log-level debug` shows each request" in capsys.readouterr().err
