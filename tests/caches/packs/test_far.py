"""The way to a cache that is far away: how many round trips stand one after another, whatever one of them takes."""

from __future__ import annotations

import sys
import time

import pytest

from tests.caches.packs.scene import BRANCH, MAIN, Scene, holds, some_paths
from tests.testbed.registry import Registry
from tests.testbed.relay import Rounds, counted

pytestmark = pytest.mark.slow

TRIES = 8
"""A busy machine asks a little later, and so once more."""

OPENED, KEPT = 4, 5


def trips(rounds: Rounds) -> int:
    """Round trips one after another since the last call; the requests are shown where a test of their number fails."""
    sys.stdout.write(f"{rounds}\n\n")
    count = len(rounds.trips)
    rounds.forget()
    return count


def connected(rounds: Rounds) -> None:
    """Return when the connections are there that are opened ahead."""
    deadline = time.monotonic() + 10
    while not rounds.trips:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert {line for lines in rounds.trips for line in lines} == {"connect"}
    rounds.forget()


def test_a_run_reads_two_roots_and_adds_a_path(registry: Registry, scene: Scene) -> None:
    """To read: connections, `/v2/`, both manifests, both indexes. To add: sessions, the pack beside the index, a look at the root, the
    manifest, and that read back."""
    name = registry.new_repository()
    for root in (MAIN, BRANCH):
        scene.write(scene.registry(registry.host, name), some_paths(3, seed=root.ref.replace("/", "-")), root)
    opened, kept = [], []
    for number in range(TRIES):
        rounds = scene.stack.enter_context(counted(registry.host, quiet=0.1))
        far = scene.registry(rounds.host, name)
        cache = scene.cache(far, MAIN, BRANCH)
        assert len(cache.roots) == 2
        opened.append(trips(rounds))
        new = some_paths(1, size=1_000_000, seed=f"{number}")
        writer = scene.writer(far)
        writer.be_ready()
        connected(rounds)
        for info, nar in new.items():
            writer.add(info, [nar])
        writer.finish(60, roots=cache.roots)
        kept.append(trips(rounds))
        assert len(holds(scene.cache(scene.registry(registry.host, name)), new)) == 1
        if min(opened) <= OPENED and min(kept) <= KEPT:
            break
    assert min(opened) <= OPENED
    assert min(kept) <= KEPT
