"""What zstd would have made of the layers is told from a few chunks: the same ones always, and none where little is packed."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flakeship.image.compress import Compression, compressed
from flakeship.image.stream import CHUNK
from flakeship.image.zstd_estimate import ZstdSample
from tests.image.recipe import blob, chunked, noise, sample

EVERY = 1 << 32


def packed(sample_: ZstdSample, *layers: bytes, threads: int = 2) -> int:
    """Pack the layers as gzip, and return the size of their blobs."""
    with ThreadPoolExecutor(threads) as pool:
        return sum(
            len(piece)
            for layer in layers
            for piece in compressed(
                chunked(layer), Compression(), pool=pool, in_flight=threads + 1, watch=sample_.took
            )
        )


def programs(size: int) -> bytes:
    """Bytes of this machine's programs, some of each."""
    found = sorted(each for each in Path(sys.prefix).rglob("*.py") if each.stat().st_size > 20_000)
    return b"".join(each.read_bytes() for each in found)[:size]


@pytest.mark.slow
def test_it_is_right_within_a_twentieth() -> None:
    layers = programs(6 * CHUNK), noise(CHUNK)
    taken = ZstdSample(least=1, per_byte=EVERY, at_most=EVERY)
    size = packed(taken, *layers)
    estimate = taken.estimate()
    assert estimate
    assert estimate.gzip == pytest.approx(size, abs=100)
    assert estimate.zstd == pytest.approx(sum(len(blob(each, "zstd", 3)) for each in layers), rel=0.05)


@pytest.mark.slow
def test_the_order_of_layers_and_the_threads_make_no_difference() -> None:
    layers = [sample(2 * CHUNK), noise(2 * CHUNK), programs(3 * CHUNK), sample(CHUNK + 5)]
    found = set()
    for threads, order in ((1, layers), (4, layers[::-1])):
        taken = ZstdSample(least=1, per_byte=3000, at_most=EVERY)
        packed(taken, *order, threads=threads)
        found.add(taken.estimate())
    assert len(found) == 1
    assert None not in found


def test_a_byte_of_a_blob_is_as_likely_as_another() -> None:
    """A chunk of many bytes is taken more often than one that all but vanishes."""
    taken = ZstdSample(least=1, per_byte=1)
    for crc in range(0, 2000, 10):
        taken.took(b"much", 1000, crc)
        taken.took(b"little", 100, crc)
    assert len(taken._found) == 110


def test_where_little_is_packed_nothing_is_said_and_zstandard_not_imported() -> None:
    script = """
import sys
from flakeship.image.zstd_estimate import ZstdSample
taken = ZstdSample()
for _ in range(280):
    taken.took(bytes(1000), 1 << 20, 0)
assert taken.estimate() is None
assert "zstandard" not in sys.modules
for _ in range(10):
    taken.took(bytes(1000), 1 << 20, 0)
assert taken.estimate()
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_other_compressions_are_not_watched() -> None:
    def watch(*_: object) -> None:
        raise AssertionError

    with ThreadPoolExecutor(1) as pool:
        for how in (Compression("zstd", 3), Compression("none", 0)):
            assert list(compressed([b"x"], how, pool=pool, in_flight=2, watch=watch))
