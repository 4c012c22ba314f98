"""Our own share of a comparison: two closures of so many paths, of which each path is another one.

    .venv/bin/python bench/difference.py [PATHS …]
    .venv/bin/python bench/difference.py --registry     two images of 1.4 GB in docker-registry: 5 GB of disk

Documents are read as a registry hands them over. The measured work has the real-time class where that is allowed
(`chrt -r 5`), so that others of this machine do not count.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.sources.layouts import CONFIG, GZIP, MANIFEST
from tests.testbed.registry import serve
from tests.testbed.store_images import layer_of, store_path

from flakeship.difference.compare import difference
from flakeship.difference.model import Held, HeldLayer
from flakeship.lint.view import contents_of
from flakeship.report.difference import Differences, differences_json, differences_text

LAYERS = 100


def config(count: int, version: str) -> bytes:
    """The config of an image with so many store paths in 100 layers, as dockerTools writes its history."""
    paths = [store_path(f"package{number}-1.{number}{version}") for number in range(count)]
    history = [{"comment": f"store paths: {paths[number::LAYERS]}"} for number in range(LAYERS)]
    return json.dumps({"config": {}, "history": history}).encode()


def held(data: bytes, name: str) -> Held:
    document = json.loads(data)
    layers = tuple(
        HeldLayer(f"{name}{number}", f"{name}{number}", 1000, None, paths)
        for number, paths in enumerate(contents_of(document["history"], LAYERS))
    )
    return Held(name=name, layers=layers, config=document, paths=frozenset(path for layer in layers for path in layer.paths))  # fmt: skip


def layout(folder: Path, shared: Path, groups: Sequence[Sequence[str]], size: int) -> None:
    """Write a layout with a layer of `size` random bytes for each group; blobs that `shared` has are taken from there."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    shared.mkdir(exist_ok=True)

    def blob(data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    layers, diff_ids = [], []
    for group in groups:
        kept = shared / hashlib.sha256(" ".join(group).encode()).hexdigest()
        if not kept.exists():
            tar = layer_of(group) + os.urandom(size)
            kept.with_suffix(".id").write_text(f"sha256:{hashlib.sha256(tar).hexdigest()}")
            kept.write_bytes(gzip.compress(tar, 0, mtime=0))
        layers.append(blob(kept.read_bytes(), GZIP))
        diff_ids.append(kept.with_suffix(".id").read_text())
    config_ = {
        "os": "linux",
        "architecture": "amd64",
        "config": {"Entrypoint": [f"{groups[-1][0]}/bin/app"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"comment": f"store paths: {list(group)}"} for group in groups],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(json.dumps(config_).encode(), CONFIG),
        "layers": layers,
    }
    entry = blob(json.dumps(manifest).encode(), MANIFEST)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def in_registry() -> None:
    """Two images of 60 layers, of which three differ: seconds of the whole command, and what the registry was asked."""
    names = [[f"package{number}-1.{number}"] for number in range(57)]
    sides = {
        "old": [*names, ["openssl-3.0.8"], ["curl-8.5.0"], ["app-1.0"]],
        "new": [*names, ["openssl-3.0.14"], ["curl-8.6.0"], ["app-1.1"]],
    }
    ours = [sys.executable, "-m", "flakeship"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for side, groups in sides.items():
            paths = [[store_path(name) for name in group] for group in groups]
            layout(folder / side, folder / "shared", paths, 1_400_000_000 // 60)
        first = ["chrt", "-r", "5"]
        allowed = shutil.which("chrt") and subprocess.run([*first, "true"], check=False).returncode == 0
        if allowed:  # the registry inherits the class
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
        (folder / "registry").mkdir()
        with serve(folder / "registry") as registry:
            if allowed:
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            name = f"{registry.host}/bench"
            for side in sides:
                push = [*ours, "publish", "--source", f"oci:{folder / side}", "--tags", f"{name}:{side}"]
                subprocess.run(push, check=True, cwd=folder, capture_output=True)
            for command in (["diff", f"{name}:old", f"{name}:new"], ["why", f"{name}:new", "openssl"]):
                took = []
                for _ in range(5):
                    asked = len(registry.accesses())
                    begun = time.perf_counter()
                    argv = [*(first if allowed else []), *ours, *command]
                    done = subprocess.run(argv, check=True, cwd=folder, capture_output=True, text=True)
                    took.append(time.perf_counter() - begun)
                    count = len(registry.accesses()) - asked
                print(done.stdout.splitlines()[:9])
                print(
                    f"{command[0]}: {sorted(took)[2]:.2f} s ({min(took):.2f} to {max(took):.2f}), {count} requests"
                )


def main(counts: list[str]) -> None:
    if counts == ["--registry"]:
        in_registry()
        return
    for count in counts or ["1000", "20000"]:
        documents = [config(int(count), version) for version in ("", ".1")]
        if hasattr(os, "sched_setscheduler") and os.geteuid() == 0:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
        begun = time.perf_counter()
        found = difference(*(held(data, name) for data, name in zip(documents, ("old", "new"), strict=True)))
        compared = time.perf_counter()
        text = differences_text(Differences((found,)))
        document = differences_json(Differences((found,)))
        ended = time.perf_counter()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{count:>6} paths: {compared - begun:.2f} s to read and compare, {ended - compared:.2f} s to write {len(text) / 1e6:.1f} MB "
            f"of text and {len(document) / 1e6:.1f} MB of JSON, peak {peak} MiB"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
