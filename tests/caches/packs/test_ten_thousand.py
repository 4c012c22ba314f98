"""A cache of 10,000 paths, read whole by a process of its own: how much memory that takes, and how many requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.caches.packs.scene import Scene, some_paths
from tests.testbed.registry import Registry

ROOT = Path(__file__).parents[3]
COUNT = 10_000
SCRIPT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tests.caches.packs.scene import MAIN, BRANCH, open_scene
host, name, folder = sys.argv[1:]
with open_scene(Path(folder)) as scene:
    cache = scene.cache(scene.registry(host, name), BRANCH, MAIN)
    parts = list(cache.roots[0].index.held)
    def read(part):
        with cache.open(cache.entry(part)) as reader:
            while reader.read(1 << 20):
                pass
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(read, parts))
    status = Path("/proc/self/status").read_text()  # getrusage begins at the peak of the process that forked this one
    peak = int(status.partition("VmHWM:")[2].split()[0])
    print(json.dumps([len(cache.used), peak, scene.warnings]))
"""


@pytest.mark.long
def test_ten_thousand_paths(
    scene: Scene, registry: Registry, record_property: Callable[[str, object], None]
) -> None:
    """In the order of their hashes, which is none: Nix asks in the order of what refers to what."""
    name = registry.new_repository()
    repository = scene.registry(registry.host, name)
    written = scene.write(
        repository, {**some_paths(COUNT - 10, size=8000), **some_paths(10, size=20_000_000, seed="b")}
    )
    assert written
    begun = len(registry.accesses(name))
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, registry.host, name, str(scene.folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"},
        check=True,
        capture_output=True,
        text=True,
    )
    read, peak, warnings = json.loads(ended.stdout)
    assert (read, warnings) == (COUNT, [])
    requests = len(registry.accesses(name)) - begun
    assert requests < 0.1 * COUNT, requests
    assert peak < 150 * 1024, f"{peak} KiB"
    record_property("measured", f"{requests} requests, {peak} KiB")
