"""What a cache costs that falls silent, by a clock of our own: all waits of a run for it share nine seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flakeship.caches.packs.blocks import Blocks, LateError
from flakeship.caches.packs.repository import Repository
from flakeship.caches.packs.silence import MOST, Silence, Wait
from flakeship.caches.packs.writer import PackWriter
from flakeship.caches.place import Limits
from flakeship.image.model import Digest
from tests.caches.packs.scene import some_paths


@dataclass
class FakeTime:
    """A clock that goes on by what is waited for. `meanwhile` is called at the first wait."""

    now: float = 1000.0
    meanwhile: Callable[[], None] | None = None

    def monotonic(self) -> float:
        return self.now

    def wait(self, asked: list[Future[Any]], timeout: float, **_: Any) -> Any:
        self.now += timeout
        if self.meanwhile:
            self.meanwhile()
            self.meanwhile = None
        return wait(asked, 0)


class Silent:
    """A repository that takes each request, and answers none until the test is over."""

    name, moved, time, is_damaged = "r.example/app/nix-cache", 0.0, None, False

    def __init__(self, *, takes: bool = False) -> None:
        self.over, self.takes = threading.Event(), takes

    def upload(self, *_: Any) -> None:
        if not self.takes:
            self.over.wait()

    def named(self, *_: Any) -> None:
        self.over.wait()

    manifest = part = put = tags = named

    def be_asked(self, _: int) -> None:
        pass

    def end(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(
        "flakeship.caches.packs.writer.time", SimpleNamespace(monotonic=fake.monotonic, time=lambda: 2e9)
    )
    monkeypatch.setattr("flakeship.caches.packs.writer.wait", fake.wait)
    return fake


def read(clock: FakeTime, silence: Silence, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for a block that does not come; the clock goes on by a second each time that is looked at."""

    def monotonic() -> float:
        clock.now += 1
        return clock.now

    monkeypatch.setattr("flakeship.caches.packs.blocks.time", SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr("flakeship.caches.packs.blocks._LOOK", 0)
    silent = Silent()
    blocks = Blocks(cast("Repository", silent), folder, silence=silence)
    with pytest.raises(LateError):
        list(blocks.part(Digest("sha256:" + "0" * 64), 10, 0, 10).pieces())
    silent.over.set()
    blocks.close()


def written(silent: Silent, silence: Silence, folder: Path) -> list[Any]:
    """Write what does not arrive, and return the events."""
    events: list[Any] = []
    writer = PackWriter(
        cast("Repository", silent),
        "main",
        folder=folder,
        emit=events.append,
        limits=Limits(),
        silence=silence,
    )
    for info, nar in some_paths(1).items():
        writer.add(info, [nar])
    assert writer.finish(300, roots=()) is None
    silent.over.set()
    return events


@pytest.mark.parametrize("takes", [False, True], ids=["packs hang", "the manifest hangs"])
@pytest.mark.parametrize("before", [0.0, 5.0], ids=["roots came at once", "roots came late"])
@pytest.mark.parametrize("reads", [False, True], ids=["nothing read", "a read hangs"])
def test_all_waits_of_a_run_share_one_silence(
    clock: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    before: float,
    *,
    takes: bool,
    reads: bool,
) -> None:
    silence, begun = Silence(), clock.now
    clock.now += before
    silence.note(begun, clock.now)
    if reads:
        read(clock, silence, tmp_path, monkeypatch)
    events = written(Silent(takes=takes), silence, tmp_path)
    assert len(events) == 1
    assert clock.now - begun <= 10 + 3 * reads  # of the clock of `read` each look takes a second


def test_what_many_threads_wait_for_counts_once_and_a_short_silence_not_at_all() -> None:
    silence = Silence()
    silence.note(0, 4)
    silence.note(1, 5)
    silence.note(7, 8)
    assert silence.left == MOST - 5
    silence.count(8, 100)
    assert silence.left == 0


def test_a_cache_that_drips_falls_silent_again_and_again() -> None:
    silence = Silence()
    wait = Wait(silence, 0)
    assert wait.silent(0, 3) == 3
    assert wait.silent(4, 5) == 1
    assert wait.silent(5, 5.5) == 0.5
    assert silence.left == MOST - 4


def test_an_index_that_is_written_beside_the_push_is_given_up_when_the_run_waits_for_it(
    clock: FakeTime, tmp_path: Path
) -> None:
    """Beside the push it has five minutes."""
    silent, events = Silent(takes=True), list[Any]()
    writer = PackWriter(
        cast("Repository", silent), "main", folder=tmp_path, emit=events.append, limits=Limits()
    )
    for info, nar in some_paths(1).items():
        writer.add(info, [nar])
    clock.meanwhile, begun = writer.be_awaited, clock.now
    assert writer.finish(300, roots=(), closes=False) is None
    silent.over.set()
    writer.close()
    assert len(events) == 1
    assert clock.now - begun <= 10
