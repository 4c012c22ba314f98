"""Compressed streams are read to their very end."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import queue
from typing import Any, cast

import pytest
import zstandard

from flakeship.image import inflate
from flakeship.image.inflate import Inflated, is_compressed, suffix_of, uncompressed
from flakeship.image.stream import chunks
from flakeship.image.tar.blocks import DamagedError


@pytest.mark.parametrize("waited_in_vain", [False, True])
def test_the_last_block_counts_even_if_the_inflating_thread_has_ended(
    monkeypatch: pytest.MonkeyPatch, *, waited_in_vain: bool
) -> None:
    """On a busy machine the reader stops waiting, the thread puts its last block and ends, and then the reader looks at it."""
    content = b"x" * 1000
    data = gzip.compress(content)
    stream = Inflated(io.BytesIO(data), data)
    threaded = cast("Any", stream._stream).raw
    threaded.worker.join()
    get, first = threaded.queue.get, iter([waited_in_vain])

    def impatient(*arguments: Any, **named: Any) -> Any:
        if next(first, False):
            raise queue.Empty
        return get(*arguments, **named)

    monkeypatch.setattr(threaded.queue, "get", impatient)
    with stream:
        assert b"".join(chunks(stream)) == content


def skippable(data: bytes, *, nibble: int = 0) -> bytes:
    """A frame that holds no content: RFC 8878, section 3.1.2."""
    return bytes([0x50 | nibble]) + b"\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def gzip_with(flag: int, field: bytes) -> bytes:
    """A header with a field that most writers leave out: RFC 1952, section 2.3."""
    data = gzip.compress(CONTENT, mtime=0)
    return data[:3] + bytes([flag]) + data[4:10] + field + data[10:]


CONTENT = b"content" * 1000
ZSTD = zstandard.ZstdCompressor().compress(CONTENT)
WITH_FRAMES = {
    "at its beginning": skippable(b"abcd") + ZSTD,
    "as pzstd writes it": skippable((len(ZSTD)).to_bytes(4, "little")) + ZSTD,
    "of each kind": b"".join(skippable(b"a", nibble=n) for n in range(16)) + ZSTD,
    "of no bytes": skippable(b"") + ZSTD,
    "longer than what is looked at": skippable(bytes(5000)) + ZSTD,
    "at its end": ZSTD + skippable(b"chunked"),
    "between two frames": zstandard.compress(CONTENT[:1000])
    + skippable(b"a")
    + zstandard.compress(CONTENT[1000:]),
}


@pytest.mark.parametrize("name", WITH_FRAMES)
def test_zstd_with_frames_that_hold_nothing(name: str) -> None:
    data = WITH_FRAMES[name]
    assert is_compressed(data[:512])
    assert suffix_of(data[:512]) == "+zstd"
    with uncompressed(io.BytesIO(data)) as reader:
        assert b"".join(chunks(reader)) == CONTENT


def test_frames_alone_are_zstd_of_nothing() -> None:
    with uncompressed(io.BytesIO(skippable(b"abcd"))) as reader:
        assert b"".join(chunks(reader)) == b""


@pytest.mark.parametrize(
    "data",
    [
        skippable(b"abcd") + b"\x04\x22\x4d\x18" + bytes(600),  # LZ4 has such frames too
        skippable(b"abcd") + bytes(600),
        b"\x60\x2a\x4d\x18" + bytes(600),
        b"\x50\x2a\x4d\x19" + bytes(600),
        b"",
        b"\x50",
    ],
)
def test_what_is_not_zstd(data: bytes) -> None:
    assert suffix_of(data[:512]) == ""


OTHERS = {
    "xz": lzma.compress(CONTENT),
    "xz, two streams and zeros": lzma.compress(CONTENT[:9])
    + bytes(8)
    + lzma.compress(CONTENT[9:])
    + bytes(4),
    "xz at its highest level": lzma.compress(CONTENT, preset=9),
    "bzip2": bz2.compress(CONTENT),
    "bzip2, two streams": bz2.compress(CONTENT[:9]) + bz2.compress(CONTENT[9:]),
    "bzip2, a stream of nothing": bz2.compress(b"") + bz2.compress(CONTENT),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("size", [1 << 20, 100])
def test_what_has_no_name_in_a_manifest(name: str, size: int) -> None:
    data = OTHERS[name]
    assert is_compressed(data[:512])
    assert suffix_of(data[:512]) == ""
    with uncompressed(io.BytesIO(data)) as reader:
        assert b"".join(chunks(reader, size)) == CONTENT
    for spoilt in (data[:-13], data[: len(data) // 2], data[:20] + bytes([data[20] ^ 1]) + data[21:]):
        with pytest.raises(DamagedError, match="its compressed stream is damaged"):
            list(chunks(uncompressed(io.BytesIO(spoilt))))


def test_xz_that_asks_for_more_memory_than_any_archive_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Level 6 asks for 8 MiB."""
    data = OTHERS["xz"]
    monkeypatch.setattr(inflate, "_MEMORY", 1 << 20)
    with pytest.raises(DamagedError, match=r"[Mm]emory"):
        list(chunks(uncompressed(io.BytesIO(data))))


@pytest.mark.parametrize("name", [b"BZh", b"BZh1.txt", b"BZh91AY"])
def test_a_tar_may_begin_like_bzip2(name: bytes) -> None:
    assert not is_compressed(name.ljust(512, b"\0"))


GZIPS = {
    "several members": gzip.compress(CONTENT[:10]) + gzip.compress(CONTENT[10:]),
    "with a name": gzip_with(8, b"name\0"),
    "with a comment": gzip_with(16, b"comment\0"),
    "with a field of its own": gzip_with(4, b"\x06\0BC\x02\0\xff\xff"),
    "an empty member behind it": gzip.compress(CONTENT) + gzip.compress(b""),
}


@pytest.mark.parametrize("name", GZIPS)
def test_gzip_as_it_is_met(name: str) -> None:
    with uncompressed(io.BytesIO(GZIPS[name])) as reader:
        assert b"".join(chunks(reader)) == CONTENT
