"""Nix's cache of evaluations keeps that an attribute failed, and not why: then Nix is asked once more, without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from flakeship.errors import BuildError
from flakeship.events import ignore
from flakeship.nix.build import _attempt, read_build
from flakeship.nix.explain import query_installable
from flakeship.nix.substituters import Substituters
from tests.nix.failures import INSTALLABLE


class Cached:
    """A Nix that says of what failed before what `first` is, and the reason where it evaluates anew."""

    def __init__(self, first: str, *, cached: bool = True) -> None:
        self.first, self.may_answer_from_cache, self.store = first, cached, ""
        self.emit = ignore
        self.substituters = Substituters()
        self.environ: dict[str, str] = {}
        self.asked: list[bool] = []

    def without_evaluation_cache(self) -> Any:
        other = Cached(self.first, cached=False)
        other.asked = self.asked
        return other

    def stream(self, *_: str, on_stderr: Callable[[bytes], None], **__: Any) -> tuple[int, bytes]:
        done = self.run(cwd="")
        if done.returncode:
            message = {"action": "msg", "level": 0, "msg": f"error: {self.first}"}
            on_stderr(b"@nix " + json.dumps(message).encode())
        return done.returncode, b'["/nix/store/built"]' if not done.returncode else b""

    def run(self, *_: str, cwd: str) -> Any:
        self.asked.append(self.may_answer_from_cache)
        if self.may_answer_from_cache:
            return SimpleNamespace(returncode=1, stdout="", stderr=f"error: {self.first}\n".encode())
        return SimpleNamespace(returncode=0, stdout='"the answer"', stderr=b"")


@pytest.mark.parametrize(
    "words",
    [
        "flake output attribute 'packages.x86_64-linux.x' is not a derivation",
        "'packages.x86_64-linux.whole' is not an attribute set",
        "cached failure of attribute 'packages.x86_64-linux.x'",
    ],
)
def test_what_may_be_said_of_an_earlier_run_is_asked_anew(words: str) -> None:
    nix: Any = Cached(words)
    assert query_installable(nix, INSTALLABLE, "eval") == "the answer"
    assert nix.asked == [True, False]


def test_any_other_failure_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakeship.nix.explain.explain_failure", lambda _: BuildError("told"))
    nix: Any = Cached("undefined variable 'x'")
    with pytest.raises(BuildError, match="told"):
        query_installable(nix, INSTALLABLE, "eval")
    assert nix.asked == [True]


def test_a_build_is_asked_anew_too() -> None:
    nix: Any = Cached("flake output attribute 'packages.x86_64-linux.x' is not a derivation")
    built = read_build(nix, INSTALLABLE, _attempt(nix, (INSTALLABLE,), ("x",), None, ignore))
    assert (built.out_path, nix.asked) == ("/nix/store/built", [True, False])
