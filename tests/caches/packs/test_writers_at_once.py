"""Two runs write one root at once, and are killed at any moment: what is read is right, whatever is there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.caches.packs.repository import Repository
from flakeship.image.model import Digest
from tests.caches.packs.scene import Paths, Scene, holds, some_paths
from tests.testbed.registry import Registry, serve

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
from pathlib import Path
from tests.caches.packs.scene import open_scene, some_paths
place, seed, folder = sys.argv[1:]
with open_scene(Path(folder)) as scene:
    host, _, name = place.partition("/")
    repository = scene.registry(host, name) if host else scene.layout()
    print("begun", flush=True)
    written = scene.write(repository, some_paths(5, seed=seed))
    print("written" if written else scene.warnings, flush=True)
"""


def run(place: str, seed: str, folder: Path) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    return started(SCRIPT, place, seed, str(folder))


def started(script: str, *words: str) -> subprocess.Popen[str]:
    """A process that runs a script of Python, with the code and the tests."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def rest_of(process: subprocess.Popen[str]) -> str:
    """What it prints until it ends. `communicate` would not see what came with the line that was read before."""
    assert process.stdout
    with process.stdout as said:
        text = said.read()
    process.wait(60)
    return text


def rounds(scene: Scene, repository: Repository, place: str, count: int) -> list[int]:
    """Return how many of the paths that were written the next reader finds, and how many were."""
    chance, found, written = random.Random(1), 0, 0
    for number in range(count):
        folders = [scene.folder, scene.folder] if not place else [scene.folder / "one", scene.folder / "two"]
        runs = [run(place, f"{number}-{each}", folder) for each, folder in enumerate(folders)]
        for process in runs:
            assert process.stdout
            assert process.stdout.readline() == "begun\n"
        victim = chance.choice(runs) if chance.random() < 0.7 else None
        if victim:
            time.sleep(chance.random() * 0.4)
            victim.send_signal(signal.SIGKILL)
        ended = [rest_of(process) for process in runs]
        cache = scene.cache(repository)
        for each, said in enumerate(ended):
            paths = some_paths(5, seed=f"{number}-{each}")
            there = holds(cache, paths)  # fails for a wrong one
            if said == "written\n":
                written += 5
                found += len(there)
        cache.close()
        assert not scene.warnings
    return [found, written]


@pytest.mark.slow
def test_two_runs_at_once(scene: Scene, registry: Registry) -> None:
    name = registry.new_repository()
    found, written = rounds(scene, scene.registry(registry.host, name), f"{registry.host}/{name}", 2)
    assert written >= 5
    assert found


@pytest.mark.slow
def test_what_another_run_replaces_while_it_is_read_is_not_taken_for_damaged(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder what is replaced is gone at once, also for the run that reads it to add its own."""
    ours, theirs = some_paths(2, seed="ours"), some_paths(2, seed="theirs")
    scene.write(scene.layout(), some_paths(2, seed="before"))
    layout = scene.layout()
    read = layout.blob

    def replaced(digest: Digest, size: int) -> bytes:
        monkeypatch.setattr(layout, "blob", read)
        assert scene.write(scene.layout(), theirs)
        return read(digest, size)

    monkeypatch.setattr(layout, "blob", replaced)
    assert scene.write(layout, ours)
    assert layout.blob == read, "it was not read"
    cache = scene.cache(scene.layout())
    assert len(holds(cache, {**ours, **theirs})) == 4


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("place", ["registry", "layout"])
def test_two_runs_at_once_for_long(
    scene: Scene, registry: Registry, place: str, record_property: Callable[[str, object], None]
) -> None:
    """A folder loses nothing, for it is locked. A registry has no such thing: what is lost there is built again."""
    name = registry.new_repository()
    in_registry = place == "registry"
    found, written = rounds(
        scene,
        scene.registry(registry.host, name) if in_registry else scene.layout(),
        f"{registry.host}/{name}" if in_registry else "",
        100,
    )
    record_property("lost", f"{written - found} of {written}")
    assert found > 0.9 * written if in_registry else found == written
    assert len(scene.cache(scene.registry(registry.host, name)).roots) == in_registry


@pytest.mark.slow
def test_packs_survive_the_collection_of_what_has_no_tag(
    scene: Scene, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two versions of the root have been replaced, and go. The registry's own program collects."""
    folder = tmp_path_factory.mktemp("collected")
    paths = Paths()
    with serve(folder) as collected:
        repository = scene.registry(collected.host, "a/cache")
        for number in range(3):
            more = some_paths(3, seed=str(number))
            scene.write(repository, more)
            paths.update(more)
    blobs = folder / "data/docker/registry/v2/blobs"
    before = len(list(blobs.rglob("data")))
    subprocess.run(
        ["docker-registry", "garbage-collect", "--delete-untagged", str(folder / "config.yml")],
        check=True,
        capture_output=True,
    )
    assert before - len(list(blobs.rglob("data"))) == 4, "two manifests and two indexes"
    with serve(folder) as collected:
        assert holds(scene.cache(scene.registry(collected.host, "a/cache")), paths) == list(paths)
