"""`flakeship cache prune` while another run writes the same root: what is read is right, and what is used stays."""

from __future__ import annotations

import contextlib
import itertools
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flakeship.caches.packs.layout import LayoutRepository
from flakeship.caches.packs.pruning import Pruned, prune
from flakeship.caches.packs.registry import RegistryRepository
from flakeship.caches.packs.repository import Repository
from flakeship.caches.place import Limits
from flakeship.image.model import Digest
from tests.caches.packs.scene import MAIN, Paths, Scene, holds, some_paths
from tests.caches.packs.test_writers_at_once import run, started
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_faults import Hold
from tests.testbed.registry_memory import MemoryRegistry, memory_registry
from tests.testbed.registry_proxy import fault_proxy

DAY = 86400
OLD, LATER, NEW = some_paths(3, seed="old"), some_paths(1, seed="later"), some_paths(2, seed="new")


def pruned(scene: Scene, repository: Repository) -> Pruned:
    return prune(
        repository,
        limits=Limits(),
        folder=scene.folder,
        now=scene.now,
        remove=repository.delete,
        emit=scene.events.append,
    )


@contextlib.contextmanager
def beside(action: Callable[[], object], held: Hold) -> Iterator[list[Any]]:
    """Begin an action, and do what is in the block where it is held up; it has ended behind the block."""
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(action()))
    thread.start()
    assert held.arrived.wait(20)
    yield done
    held.let_pass()
    thread.join(30)
    assert done


@pytest.fixture
def memory() -> Iterator[MemoryRegistry]:
    with memory_registry() as running:
        yield running


@pytest.fixture
def slow(memory: MemoryRegistry) -> Iterator[FaultProxy]:
    with fault_proxy(memory.host) as running:
        yield running


@pytest.fixture
def here(scene: Scene, memory: MemoryRegistry) -> RegistryRepository:
    return scene.registry(memory.host, "a/cache")


@pytest.fixture
def there(scene: Scene, slow: FaultProxy) -> RegistryRepository:
    """The same repository, whose requests can be held up."""
    return scene.registry(slow.host, "a/cache")


def test_what_a_run_uses_meanwhile_is_not_dropped(
    scene: Scene, slow: FaultProxy, here: RegistryRepository, there: RegistryRepository
) -> None:
    """It is old when it is pruned, and a run needs it: between the reading and the writing of the root."""
    scene.write(here, OLD)
    scene.now += 10 * DAY
    scene.write(here, LATER)
    scene.now += 5 * DAY
    cache = scene.cache(here)
    assert holds(cache, OLD) == list(OLD)
    with beside(lambda: pruned(scene, there), slow.hold_next("HEAD", "/manifests/")) as done:
        scene.write(here, NEW, after=cache)
    assert holds(scene.cache(here), {**OLD, **LATER, **NEW}) == [*OLD, *LATER, *NEW]
    assert (done[0].written, done[0].left) == ([], [])


def test_a_root_that_a_run_writes_meanwhile_is_not_removed(
    scene: Scene, slow: FaultProxy, here: RegistryRepository, there: RegistryRepository
) -> None:
    """Nobody has used it for long, and somebody does when it is about to be removed."""
    scene.write(here, OLD)
    scene.now += 20 * DAY
    with beside(lambda: pruned(scene, there), slow.hold_next("DELETE", "/manifests/")):
        scene.write(here, NEW)
    assert holds(scene.cache(here), NEW) == list(NEW)


def test_a_tag_that_a_run_writes_meanwhile_is_not_removed(
    scene: Scene, slow: FaultProxy, here: RegistryRepository, there: RegistryRepository
) -> None:
    """The same where a registry removes tags, and no manifests by their digests."""
    scene.write(here, OLD)
    scene.now += 20 * DAY
    slow.fail_next("DELETE", "/manifests/sha256", status=405, times=9)
    with beside(lambda: pruned(scene, there), slow.hold_next("HEAD", "/manifests/")):
        scene.write(here, NEW)
    assert holds(scene.cache(here), NEW) == list(NEW)


def test_a_run_adds_to_what_was_pruned_meanwhile(
    scene: Scene, slow: FaultProxy, here: RegistryRepository, there: RegistryRepository
) -> None:
    """The pack that its root names is written anew, half empty as it was; it has read the root before."""
    scene.write(here, OLD)
    scene.now += 10 * DAY
    cache = scene.cache(here)
    kept = dict(list(OLD.items())[:1])
    assert holds(cache, kept)
    scene.write(here, {}, after=cache)
    scene.now += 5 * DAY
    read = scene.cache(there)
    with beside(lambda: scene.write(there, NEW, after=read), slow.hold_next("HEAD", "/manifests/")):
        assert pruned(scene, here).written == [MAIN.tag]
    assert holds(scene.cache(here), {**OLD, **NEW}) == [*kept, *NEW]
    assert not scene.warnings


def test_a_file_that_gets_its_name_while_a_folder_is_tidied_is_no_error(scene: Scene) -> None:
    """It was listed, and is not there any more: a link that leads nowhere looks like that."""
    repository = scene.layout()
    scene.write(repository, OLD)
    (scene.folder / "layout/blobs/sha256/.flakeship-half").symlink_to("nowhere")
    assert repository.tidy() == 0


class Overtaken(LayoutRepository):
    """A folder in which another run replaces the root whenever its index is about to be read, as often as `runs` has one."""

    def __init__(self, scene: Scene, runs: Iterator[Paths]) -> None:
        super().__init__(scene.folder / "layout", emit=scene.events.append)
        self._scene, self._runs = scene, runs

    def blob(self, digest: Digest, size: int) -> bytes:
        for paths in itertools.islice(self._runs, 1):
            self._scene.write(self._scene.layout(), paths)
        return super().blob(digest, size)


@pytest.mark.parametrize(("times", "left"), [(1, []), (99, [MAIN.tag])], ids=["once", "each time"])
def test_a_root_that_is_replaced_while_it_is_read_is_not_damaged(
    scene: Scene, times: int, left: list[str]
) -> None:
    """In a folder what it replaces is gone at once. Nothing of it is old, and all of it stays."""
    scene.write(scene.layout(), OLD)
    runs = (some_paths(1, seed=f"other-{number}") for number in range(times))
    done = pruned(scene, Overtaken(scene, runs))
    assert (done.removed, done.left) == ([], left)
    cache = scene.cache(scene.layout())
    assert holds(cache, OLD) == list(OLD)
    assert len(cache) > len(OLD)
    assert not scene.warnings


PRUNING = """
import sys
from pathlib import Path
from tests.caches.packs.scene import open_scene
from tests.caches.packs.test_pruning_beside_writers import DAY, pruned
place, folder = sys.argv[1:]
with open_scene(Path(folder)) as scene:
    host, _, name = place.partition("/")
    repository = scene.registry(host, name) if host else scene.layout()
    print("begun", flush=True)
    scene.now += 5 * DAY
    done = pruned(scene, repository)
    print("written" if done.written else "nothing", flush=True)
"""


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("place", ["registry", "layout"])
def test_pruning_beside_a_writer_for_long(
    scene: Scene, registry: Registry, place: str, record_property: Callable[[str, object], None]
) -> None:
    """Each round has a pack that is half old, a run that writes and one that prunes, which begin at random moments."""
    chance, lost, written, rewritten = random.Random(7), 0, 0, 0
    name = registry.new_repository()
    in_registry = place == "registry"
    where = f"{registry.host}/{name}" if in_registry else ""
    repository = scene.registry(registry.host, name) if in_registry else scene.layout()
    now = scene.now
    for number in range(50):
        scene.now = now - 10 * DAY
        scene.write(repository, some_paths(4, size=30_000, seed=f"old-{number}"))
        scene.now = now
        cache, older = scene.cache(repository), some_paths(4, size=30_000, seed=f"old-{number}")
        used = dict(list(older.items())[:1])
        assert holds(cache, used) == list(used)
        scene.write(repository, {}, after=cache)
        cache.close()
        folder = scene.folder / "two" if in_registry else scene.folder
        begin: list[Callable[[], subprocess.Popen[str]]] = [
            lambda number=number, folder=folder: run(where, f"{number}", folder),  # type: ignore[misc]
            lambda folder=folder: started(PRUNING, where, str(folder)),  # type: ignore[misc]
        ]
        begin = begin[:: chance.choice((1, -1))]
        first = begin[0]()
        time.sleep(chance.random() * 0.6)
        processes = (first, begin[1]())
        said = "".join(process.communicate(timeout=120)[0] for process in processes)
        assert said.count("begun") == 2
        rewritten += "written" in said
        cache = scene.cache(repository)
        paths = {**some_paths(5, seed=f"{number}"), **used}
        found = holds(cache, paths)  # fails for a wrong one
        written, lost = written + len(paths), lost + len(paths) - len(found)
        cache.close()
        assert not scene.warnings
    record_property("lost", f"{lost} of {written}")
    assert rewritten > 25
    assert lost <= 0.1 * written if in_registry else lost == 0
