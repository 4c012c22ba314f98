"""Memory is bounded whatever a layer's size: peak of a process that packs it, and of Python's own allocations."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from tests.image.making import compression, made
from tests.testbed.archive_shapes import Item, archive, config_of, documents, packed

ROOT = Path(__file__).parent.parent.parent
MIB = 1024 * 1024
CEILING = 120 * MIB


def sparse(path: Path, size: int) -> Path:
    """An image of one layer: zeros, of which the disk holds none."""
    zeros, hasher = bytes(MIB), hashlib.sha256()
    for _ in range(size // MIB):
        hasher.update(zeros)
    config = config_of([b""]) | {"rootfs": {"type": "layers", "diff_ids": [f"sha256:{hasher.hexdigest()}"]}}
    head = bytearray(packed([Item("layer.tar")])[:512])
    head[124:136] = b"%011o\0" % size
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    with path.open("wb") as file:
        file.write(head)
        os.truncate(path, 512 + size)
        file.seek(512 + size)
        file.write(packed(documents(json.loads(json.dumps(config)), ["layer.tar"])))
    return path


def peak(path: Path, folder: Path, algorithm: str, threads: int) -> int:
    argv = [sys.executable, "-m", "tests.image.memory", str(path), str(folder), algorithm, str(threads)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True, timeout=200)
    return int(done.stdout) * 1024


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["gzip", "zstd"])
def test_flat_in_the_size_of_a_layer(tmp_path: Path, algorithm: str) -> None:
    small = peak(sparse(tmp_path / "small", 100 * MIB), tmp_path, algorithm, 2)
    large = peak(sparse(tmp_path / "large", 2048 * MIB), tmp_path, algorithm, 2)
    assert large <= CEILING
    assert large <= small * 1.1


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["gzip", "zstd"])
def test_flat_in_the_number_of_cores(tmp_path: Path, algorithm: str) -> None:
    noise = os.urandom(24 * MIB)
    (tmp_path / "archive").write_bytes(archive([noise[: (n + 8) * MIB] for n in range(16)]))
    assert peak(tmp_path / "archive", tmp_path, algorithm, 64) <= CEILING


@pytest.mark.slow
@pytest.mark.parametrize("wrap", ["gzip", "zstd"])
def test_flat_in_the_size_of_what_is_inflated(tmp_path: Path, wrap: str) -> None:
    path = sparse(tmp_path / "plain", 1024 * MIB)
    with path.open("rb") as plain, (tmp_path / "archive").open("wb") as out:
        subprocess.run([wrap, "-1", "-c"], stdin=plain, stdout=out, check=True)
    assert peak(tmp_path / "archive", tmp_path, "gzip", 2) <= CEILING


@pytest.mark.slow
def test_flat_in_what_python_allocates(tmp_path: Path) -> None:
    path = sparse(tmp_path / "archive", 256 * MIB)
    tracemalloc.start()
    try:
        made(path, tmp_path / "out", how=compression("gzip"))
        assert tracemalloc.get_traced_memory()[1] <= 24 * MIB
    finally:
        tracemalloc.stop()
