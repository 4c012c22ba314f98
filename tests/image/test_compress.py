"""The same input gives the same bytes: whatever the threads, the pieces, the folder, or the CPU."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib

from flakeship.image.compress import Algorithm, Compression, compressed
from flakeship.image.stream import CHUNK, chunks, read_full
from tests.image.making import WRAPS, compression, made
from tests.image.recipe import RECIPES, SIZE, blob, chunked, digests, mixed, noise, sample
from tests.image.tar.test_reader import Pipe
from tests.testbed.archive_shapes import Item, archive
from tests.testbed.archive_shapes import packed as packed_tar

ROOT = Path(__file__).parent.parent.parent
GOLDEN: Final = """\
gzip 0 34fe14366f1b5aca858b3606c358f895faf3163388325bdbe952c3ae1e6eb5f3
gzip 1 2d9757d62627f1f09e03fbab13bd15bc06bcf35cea581d54d5cb91b871c585a3
gzip 2 3d2182d3578f0e2662eccd7f22246eb719666ee9be3a5785debda6d852bb1c37
zstd 3 1d8a9919258602f05747f356239751f85b26eb4da5da3a8ad25948465cf8e274
none 0 b0eff3e97420c5c9d7ec0639f83a3acfc10ec99b70f20f5d063be9617a80ca95
"""
"""When one of these changes, so must RECIPE: what was published before can't be made again. They are x86-64's."""


def test_the_recipe_has_not_changed() -> None:
    assert "\n".join(digests()) + "\n" == GOLDEN


@pytest.mark.slow
@pytest.mark.parametrize("cpu", ["Westmere", "Haswell", "max"])
def test_another_cpu(cpu: str) -> None:
    argv = ["qemu-x86_64-static", "-cpu", cpu, sys.executable, "-m", "tests.image.recipe"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True, timeout=200)
    assert done.stdout.decode() == GOLDEN


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "level"), [*RECIPES, ("zstd", 1), ("zstd", 19)])
def test_threads_make_no_difference(algorithm: Algorithm, level: int) -> None:
    data = mixed()
    assert len({blob(data, algorithm, level, threads=threads) for threads in (1, 2, 4, 7)}) == 1


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("kind", ["noise", "deflated"])
def test_what_hardly_compresses_is_stored(level: int, kind: str) -> None:
    """It lies in the blob as it is, in pieces of 64 KiB; what deflate made is what jars and pictures are full of."""
    hard = noise(3 * CHUNK)
    if kind == "deflated":
        hard = zlib.compress(hard.hex().encode(), 1)[: 3 * CHUNK]
    made_blob = blob(hard, "gzip", level)
    assert gzip.decompress(made_blob) == hard
    assert all(hard[start : start + 65_535] in made_blob for start in range(0, len(hard), CHUNK))
    assert len(made_blob) < len(hard) + len(hard) // 10_000 + 100


@pytest.mark.parametrize("size", [0, 1, 4095, 32_767, 32_768, 65_535, 65_536, CHUNK - 1, CHUNK, CHUNK + 1])
def test_noise_of_any_size_comes_out_as_it_was(size: int) -> None:
    data = noise(size)
    made_blob = blob(data, "gzip", 2)
    assert gzip.decompress(made_blob) == isal_zlib.decompress(made_blob, 31) == data
    assert len(made_blob) < size + size // 1000 + 100


@pytest.mark.parametrize("level", [0, 1, 2])
def test_each_chunk_is_stored_or_compressed_by_itself(level: int) -> None:
    """A layer that begins with what compresses, or ends with it, is no larger than its halves are."""
    easy, hard = sample(2 * CHUNK), noise(2 * CHUNK)
    alone = sum(len(blob(part, "gzip", level)) for part in (easy, hard))
    for data in (easy + hard, hard + easy):
        made_blob = blob(data, "gzip", level)
        assert gzip.decompress(made_blob) == data
        assert abs(len(made_blob) - alone) < CHUNK // 100


def test_a_chunk_that_compresses_anywhere_is_compressed() -> None:
    """One piece of those that are tried is enough: the first, one in the middle or the last."""
    hard = bytearray(noise(CHUNK))
    for start in (0, 3 * ((CHUNK - 4096) // 7), CHUNK - 4096):
        data = bytes(hard[:start]) + bytes(4096) + bytes(hard[start + 4096 :])
        assert len(blob(data + b"end", "gzip", 2)) < CHUNK - 2048


@pytest.mark.parametrize("level", [0, 1, 2])
def test_where_memory_lies_makes_no_difference(level: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """ISA-L hashes a stream's address instead of its third bytes: for the first of two streams, here, they are the same."""
    make = isal_zlib.compressobj
    random = Random(level)
    for _ in range(8):
        streams = {
            id(stream) >> 16: stream for stream in [make(level, isal_zlib.DEFLATED, -15) for _ in "abcd"]
        }
        (address, first), (_, second), *_ = streams.items()
        thirds = (address & 0xFFFFFFFF).to_bytes(4, "little") + b"and more"
        data = b"".join((b"ab", thirds, random.randbytes(3000), thirds, random.randbytes(200_000)))
        blobs = set()
        for stream in (first, second):
            monkeypatch.setattr(isal_zlib, "compressobj", lambda *_, stream=stream: stream)
            blobs.add(blob(data, "gzip", level))
        assert len(blobs) == 1
        assert gzip.decompress(blobs.pop()) == data


@pytest.mark.slow
def test_how_fast_a_layer_is_read_makes_no_difference() -> None:
    """Where reading is slow, zstd's jobs are done long before all of it is fetched: they fill the table in which the
    last one, full as it is, should have a place before the end comes.
    """
    data = Random(0).randbytes(24 * CHUNK)

    def read(pause: float) -> Iterator[bytes]:
        for piece in chunked(data):
            time.sleep(pause)
            yield piece

    with ThreadPoolExecutor(1) as pool:
        how = Compression("zstd", 6)
        fast, slow = (b"".join(compressed(read(pause), how, pool=pool, in_flight=2)) for pause in (0, 0.01))
    assert fast == slow
    assert zstandard.ZstdDecompressor().stream_reader(fast).read() == data


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(RECIPES),
    st.sampled_from([0, 1, *range(7, 28), CHUNK - 1, CHUNK, CHUNK + 1, SIZE]),
    st.binary(max_size=9),
)
def test_others_inflate_what_we_compress(recipe: tuple[Algorithm, int], size: int, end: bytes) -> None:
    data = sample(size) + end
    made_blob = blob(data, *recipe)
    match recipe[0]:
        case "gzip":
            assert gzip.decompress(made_blob) == data
        case "zstd":
            assert zstandard.ZstdDecompressor().stream_reader(io.BytesIO(made_blob)).read() == data
        case "none":
            assert made_blob == data


@pytest.mark.parametrize("piece", [1, 1000, 65_536, CHUNK - 1, CHUNK, CHUNK + 1])
def test_pieces_of_a_pipe_make_no_difference(piece: int) -> None:
    data = sample(20_000 if piece == 1 else SIZE)
    cut = list(chunks(Pipe(data, piece)))
    assert b"".join(cut) == data
    assert {len(part) for part in cut[:-1]} <= {CHUNK}
    assert read_full(Pipe(data, piece), 5000) == data[:5000]


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["gzip", "zstd", "none"])
def test_the_same_image_again(tmp_path: Path, algorithm: Algorithm) -> None:
    layers = [packed_tar([Item("file", data)]) for data in (sample(), sample(CHUNK * 2), sample(777))]
    path, found = tmp_path, set()
    for number, threads in enumerate((1, 1, 2, 4, 64)):
        path = tmp_path / str(number) / "archive"
        path.parent.mkdir()
        path.write_bytes(archive(layers))
        packed = made(path, path.parent / "out", how=compression(algorithm), threads=threads)
        found.add(packed.descriptor.digest)
    path.write_bytes(WRAPS["gzip"](archive(layers)))
    found.add(made(path, path.parent / "out", how=compression(algorithm)).descriptor.digest)
    assert len(found) == 1


def test_a_golden_image(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(archive((sample(), sample(777))))
    packed = made(tmp_path / "archive", tmp_path / "out")
    assert (
        packed.config_descriptor.digest
        == "sha256:7b91513bebe4e4586e8b3680722a799819cac28531dc5ab5c64cded0a890791e"
    )
    assert (
        packed.descriptor.digest == "sha256:7223173d97ffa725e1d0f559299b0e6266ff997d7458b4450c450b726265590e"
    )


def test_gzip_says_nothing_of_where_and_when() -> None:
    assert blob(b"x", "gzip", 2)[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def test_a_reader_that_can_not_be_read_whole() -> None:
    class Strict(Pipe):
        def read(self, size: int = -1, /) -> Any:
            assert 0 < size <= CHUNK, f"asked for {size} bytes"
            return super().read(size)

    assert sum(map(len, chunks(Strict(sample(), CHUNK)))) == SIZE
