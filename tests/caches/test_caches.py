"""The kinds of cache that are listed, and how long they stay open."""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from pytest_mock import MockerFixture

from flakeship import caches
from flakeship.caches import CacheInputs, CachePlan, CacheTools, cachix, nix_cache, opened, substituters
from flakeship.caches.plan import Cache, CachePart
from flakeship.cancellation import Cancelled
from flakeship.commands.building.builder import Builder
from flakeship.nix.build import BuildOutput
from flakeship.nix.command import Nix
from flakeship.nix.configuration import SandboxState
from tests.caches.conftest import EventRecord, tools_of

KINDS: Final[tuple[Cache, ...]] = (cachix, substituters, nix_cache)
"""mypy holds each module against the Protocol."""


def test_every_kind_that_is_listed_satisfies_the_protocol() -> None:
    assert [importlib.import_module(name) for name in caches.CACHES] == list(KINDS)


@pytest.fixture
def tools(nix: Nix, record: EventRecord, tmp_path: Path) -> CacheTools:
    return tools_of(nix, record, tmp_path)


def test_without_inputs_nothing_is_done(tools: CacheTools, record: EventRecord) -> None:
    with opened(CacheInputs(), tools) as plan:
        assert plan == CachePlan()
    assert record.events == []


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace CACHES by two modules, `first` and `second`; the list records when each is entered and left."""
    steps: list[str] = []

    def kind(name: str) -> types.ModuleType:
        @contextlib.contextmanager
        def opened(inputs: CacheInputs, tools: CacheTools, /) -> Iterator[CachePart]:
            if inputs.cachix == name:
                raise OSError(name)
            steps.append(f"{name} entered")
            try:
                yield CachePart(
                    built=lambda output: steps.append(f"{name} told of {output.out_path}"),
                    ended=lambda *, cancelled: steps.append(f"{name} ended{' early' if cancelled else ''}"),
                )
            finally:
                steps.append(f"{name} left")

        module = types.ModuleType(f"tests.caches.{name}")
        module.opened = opened  # type: ignore[attr-defined]
        return module

    for name in ("first", "second"):
        monkeypatch.setitem(sys.modules, f"tests.caches.{name}", kind(name))
    monkeypatch.setattr(caches, "CACHES", ("tests.caches.first", "tests.caches.second"))
    return steps


def test_caches_are_open_while_the_block_runs(tools: CacheTools, steps: list[str]) -> None:
    with opened(CacheInputs(cachix="any"), tools):
        steps.append("built")
    ended = ["first ended", "second ended"]
    assert steps == ["first entered", "second entered", "built", *ended, "second left", "first left"]


@pytest.mark.parametrize(("error", "how"), [(RuntimeError("no space"), ""), (Cancelled(2), " early")])
def test_caches_are_left_when_the_build_fails(
    tools: CacheTools, steps: list[str], error: BaseException, how: str
) -> None:
    with pytest.raises(type(error)), opened(CacheInputs(cachix="any"), tools):
        raise error
    assert steps[2:] == [f"first ended{how}", f"second ended{how}", "second left", "first left"]


def test_a_cache_is_left_when_the_next_one_cannot_be_entered(tools: CacheTools, steps: list[str]) -> None:
    with pytest.raises(OSError, match="second"), opened(CacheInputs(cachix="second"), tools):
        pass
    assert steps == ["first entered", "first left"]


def test_caches_are_told_of_every_build_before_they_are_left(
    steps: list[str], nix: Nix, record: EventRecord, tmp_path: Path, mocker: MockerFixture
) -> None:
    """The build itself is not run here: only the order counts."""
    build = mocker.patch(
        "flakeship.commands.building.builder.build", return_value=BuildOutput("", {"out": "/out"}, "")
    )
    mocker.patch(
        "flakeship.commands.building.builder.sandbox_state",
        return_value=SandboxState("on", fallback=True, possible=True),
    )
    with contextlib.ExitStack() as scope:
        builder = Builder(
            nix=nix,
            sandbox_required=False,
            cache_inputs=CacheInputs(cachix="any"),
            connections=mocker.Mock(),
            folder=tmp_path,
            emit=record,
            scope=scope,
        )
        assert steps == [], "nothing is opened before something is built"
        for _ in range(2):
            assert builder.build(mocker.Mock()).out_path == "/out"
    told = ["first told of /out", "second told of /out"]
    ended = ["first ended", "second ended"]
    assert steps == ["first entered", "second entered", *told, *told, *ended, "second left", "first left"]
    assert build.call_count == 2
