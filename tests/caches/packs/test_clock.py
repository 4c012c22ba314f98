"""A machine whose clock is wrong: neither is forgotten what others use, nor is anything kept for ever."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate

import pytest

from flakeship.caches.packs.pruning import prune
from flakeship.caches.packs.repository import Repository, read_root
from flakeship.caches.place import Limits
from flakeship.errors import NotAllowedError
from flakeship.image.model import Digest
from tests.caches.packs.scene import BRANCH, MAIN, Scene, holds, some_paths
from tests.testbed.registry_faults import Answer
from tests.testbed.registry_memory import Asked, MemoryRegistry, memory_registry_of

DAY = 86400
MINE, OTHERS = some_paths(1, seed="mine"), some_paths(2, seed="others")


class Dated(MemoryRegistry):
    """Each answer has a Date, as HTTP wants it of whoever has a clock."""

    dates: Callable[[], str] = staticmethod(lambda: formatdate(usegmt=True))

    def answer(self, asked: Asked) -> Answer:
        answer = super().answer(asked)
        return replace(answer, headers={**answer.headers, "Date": self.dates()})


@pytest.fixture
def memory() -> Iterator[MemoryRegistry]:
    with memory_registry_of(Dated) as running:
        yield running


def uses(repository: Repository) -> list[float]:
    root = read_root(repository, MAIN.tag)
    assert root
    return sorted(line.used for line in root.index.held.values())


@pytest.mark.parametrize("days", [400, -400])
def test_a_clock_that_is_far_from_the_registrys_is_not_believed(
    scene: Scene, memory: MemoryRegistry, days: int
) -> None:
    repository = scene.registry(memory.host, "a/cache", has_time=True)
    scene.write(repository, OTHERS)
    scene.now += days * DAY
    scene.write(repository, MINE)
    assert holds(scene.cache(repository), {**OTHERS, **MINE}) == [*OTHERS, *MINE]
    assert all(abs(used - time.time()) < 60 for used in uses(repository))
    assert not scene.warnings


@pytest.mark.parametrize(
    "date",
    ["", "yesterday", "Mon, 01 Jan 0001 00:00:00 GMT", "Thu, 99 Foo 2026 00:00:00 GMT", "near"],
)
def test_a_date_that_is_none_and_one_that_is_near_change_nothing(
    scene: Scene, memory: MemoryRegistry, monkeypatch: pytest.MonkeyPatch, date: str
) -> None:
    near = formatdate(time.time() + 3000, usegmt=True)
    monkeypatch.setattr(Dated, "dates", lambda _: near if date == "near" else date)
    repository = scene.registry(memory.host, "a/cache", has_time=True)
    scene.write(repository, OTHERS)
    assert uses(repository) == [scene.now] * len(OTHERS)


def test_pruning_with_a_wrong_clock_removes_nothing(scene: Scene, memory: MemoryRegistry) -> None:
    repository = scene.registry(memory.host, "a/cache", has_time=True)
    scene.write(repository, OTHERS)
    scene.write(repository, MINE, BRANCH)

    def remove(tag: str, _: Digest) -> bool:
        raise NotAllowedError(tag)

    done = prune(
        repository,
        limits=Limits(),
        folder=scene.folder,
        now=scene.now + 400 * DAY,
        remove=remove,
        emit=scene.events.append,
    )
    assert (done.removed, done.written, done.by_hand) == ([], [], {})


def test_what_was_used_in_the_future_was_used_now(scene: Scene) -> None:
    """A folder has no clock of its own, so that a wrong one writes what it shows: the next run sets it right."""
    repository = scene.layout()
    right = scene.now
    scene.now += 13 * DAY
    scene.write(repository, MINE)
    scene.now = right
    scene.write(repository, OTHERS)
    assert uses(repository) == [right] * 3
    scene.now += 20 * DAY
    scene.write(repository, some_paths(1, seed="later"))
    assert holds(scene.cache(repository), {**OTHERS, **MINE}) == []


def test_a_clock_that_is_behind_takes_nothing_away(scene: Scene) -> None:
    repository = scene.layout()
    scene.write(repository, OTHERS)
    right = scene.now
    scene.now -= 400 * DAY
    scene.write(repository, MINE)
    assert uses(repository) == [scene.now, right, right]
