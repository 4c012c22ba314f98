"""What is found out before the build: each question is asked where its answer matters, and nowhere else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flakeship import events
from flakeship.commands.publish import look as looking
from flakeship.commands.publish.look import could_be_zstd, look, only_loaded, registries_asked_for
from flakeship.destinations.grammar import parse as parse_target
from flakeship.destinations.kind import Defaults
from flakeship.errors import BuildError, RejectedError, UsageError
from flakeship.image.compress import Compression
from flakeship.image.media_types import DOCKER, OCI
from flakeship.metadata.context import NixFacts
from tests.commands.publish.test_reuse import hello

SOME: Any = SimpleNamespace
BUILDER: Any = SOME(nix="nix", ready=lambda: "the sandbox is on", build_together=lambda _: "built")


class Buildable:
    """`.#hello`, of which Nix tells `described`."""

    builder = BUILDER

    def __init__(self, described: Any = None) -> None:
        self.described = described

    def __str__(self) -> str:
        return ".#hello"

    def description(self) -> Any:
        if isinstance(self.described, Exception):
            raise self.described
        return self.described

    def flake(self) -> str:
        return "the flake"


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The derivations that are looked at; each would be compared with nothing."""
    asked: list[tuple[str, str]] = []

    def check(nix: object, drv_path: str, *, name: str) -> None:
        asked.append((drv_path, name))
        raise RejectedError("it is compared with nothing")

    monkeypatch.setattr("flakeship.nix.reproduce.check_comparable", check)
    return asked


def request(buildable: Buildable | None, **more: Any) -> Any:
    subject = SOME(buildable=buildable, buildables=(buildable,) if buildable else ())
    return SOME(subject=subject, rebuild_to_compare=True, **more)


@pytest.mark.parametrize(
    ("described", "asked"),
    [
        (SOME(drv_path="/nix/store/x.drv", paths=()), [("/nix/store/x.drv", ".#hello")]),
        (SOME(drv_path="/nix/store/x.drv", paths=("/nix/store/x",)), []),
        (SOME(drv_path="", paths=()), []),
        (BuildError("it can't be evaluated"), []),
    ],
)
def test_a_second_build_has_something_to_be_compared_with(
    described: Any, asked: list[object], compared: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "_named", lambda *_: pytest.fail("then comes its name"))
    error = RejectedError if asked else pytest.fail.Exception
    with pytest.raises(error), look(request(Buildable(described)), SOME()):
        pass
    assert compared == asked


def test_nothing_is_compared_unless_that_is_asked_for(
    compared: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(*_: object) -> None:
        raise UsageError("next")

    monkeypatch.setattr(looking, "_named", named)
    unasked = request(Buildable(SOME(drv_path="/nix/store/x.drv", paths=())))
    unasked.rebuild_to_compare = False
    for each in (unasked, request(None)):
        with pytest.raises(UsageError, match="next"), look(each, SOME()):
            pass
    assert not compared


@pytest.mark.parametrize(("buildable", "flake"), [(Buildable(), "the flake"), (None, None)])
def test_the_date_of_a_commit_is_there_before_the_build(
    buildable: Buildable | None, flake: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    created = SOME(check_commit=lambda committed, ask: asked.append((committed, ask())))
    monkeypatch.setattr(looking, "naming_of", lambda *_, **__: "named")
    naming = SOME(context=SOME(committed=moment))
    given = request(buildable, created=created, naming=naming, variant="")
    named: Any = looking._named(given, SOME(emit=events.ignore))
    assert named == "named"
    assert asked == [(moment, flake)]


@pytest.mark.parametrize(
    ("needed", "unknown", "buildable", "built"),
    [
        (True, "it is content-addressed", Buildable(hello()), True),
        (True, "it is content-addressed", None, False),
        (False, "it is content-addressed", Buildable(hello()), False),
        (True, "", Buildable(hello()), False),
    ],
)
def test_what_is_built_for_its_hash_is_built_where_a_tag_asks_for_it(
    needed: bool,
    unknown: str,
    buildable: Buildable | None,
    built: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, after, told = NixFacts(hash_unknown=unknown), NixFacts(), list[events.Event]()

    @contextlib.contextmanager
    def stage(name: str, _: str) -> Iterator[None]:
        assert name == "build"
        yield

    monkeypatch.setattr(looking, "facts_before_build", lambda *_: before)
    monkeypatch.setattr(looking, "facts_of_build", lambda output, facts: (after, output, facts))
    naming = SOME(inputs=SOME(needs_hash=needed))
    found: Any = looking._facts(
        request(buildable, naming=naming),
        SOME(runtime=SOME(cwd="."), emit=told.append, stage=stage),
    )
    assert found == ((after, "built", before) if built else before)
    assert [event.text for event in told if isinstance(event, events.Notice)] == (
        [".#hello is built before anything else, for its hash: it is content-addressed", "the sandbox is on"]
        if built
        else []
    )


def test_registries_are_known_by_the_name_of_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "naming_of", lambda *_, **__: SOME(references=("r",)))
    monkeypatch.setattr(looking, "registries_of", frozenset)
    given = request(None, naming=None, variant="", destinations=SOME(targets=lambda names: [*names, "t"]))
    assert registries_asked_for(given, SOME()) == {"r", "t"}


def test_what_is_loaded_and_sent_nowhere() -> None:
    engine, registry = SOME(unpacks_layers=True), SOME(unpacks_layers=False)
    assert [only_loaded(wanted) for wanted in ([engine], [engine, registry], [registry])] == [
        True,
        False,
        False,
    ]


def test_zstd_is_thought_of_where_all_can_have_it() -> None:
    registry, engine = SOME(is_for_engines=False), SOME(is_for_engines=True)
    gzip = Compression()
    assert could_be_zstd([registry, registry], gzip, OCI)
    assert not could_be_zstd([registry, engine], gzip, OCI)
    assert not could_be_zstd([registry], gzip, DOCKER)
    assert not could_be_zstd([registry], Compression("zstd", 3), OCI)
    assert not could_be_zstd([registry], Compression("none", 0), OCI)


def test_who_loads_an_image_may_be_too_old_for_zstd() -> None:
    given = Defaults(cwd=Path("/"), references=("127.0.0.1:1/a:1",))
    words = ("docker-daemon:a:1", "containers-storage:a:1", "docker-archive:a.tar", "-")
    assert all(parse_target(each, given).is_for_engines for each in words)
    assert not any(parse_target(each, given).is_for_engines for each in ("oci:a", "oci-archive:a.tar"))
