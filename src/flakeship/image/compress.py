"""How a layer's tar becomes a blob: the recipe whose output depends on the input alone, whatever machine runs it.

gzip is made in blocks of one chunk, each compressed by itself and joined with a full flush into one member, so that
any number of threads gives the same bytes; measured, that costs 0.1 % of size against one long stream.

A block begins with a small one of its own. ISA-L's loops in assembler, up to its newest release, 2.32.1, take the hash
of a stream's third byte from a register that holds the stream's address (`.write_first_byte` in
igzip_icf_body_h1_gr_bt.asm), so that now and then a match is found or missed as memory happens to lie. What is flushed
at once, and is less than they begin with, is left to a routine that does without.

A block that hardly compresses, as of jars and media, is stored: what it is like is told by some pieces of its own, so that
its bytes decide and nothing else.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol

Algorithm = Literal["gzip", "zstd", "none"]

RECIPE: Final = "4"
"""Changes whenever the same tar would give other bytes; part of what identifies a packed layer."""

LEVELS: Final[dict[Algorithm, range]] = {
    # isal's level 3 differs between AVX-512, AVX2 and SSE4.2
    "gzip": range(3),
    # docs/decisions.md#high-levels-of-zstd-are-allowed
    "zstd": range(1, 20),
    "none": range(1),
}
DEFAULT_LEVEL: Final[dict[Algorithm, int]] = {"gzip": 2, "zstd": 3, "none": 0}

_JOB: Final = 2 * 1024 * 1024
"""Bytes that a worker of zstd compresses at a time; at its higher levels it takes twice or four times as many."""

# RFC 1952: magic, deflate, no flags, no mtime, no extra flags, operating system unknown
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_FIRST: Final = 8
"""Bytes of a block that are flushed at once: 4 at least, or the stream is as good as new; 16 would be compressed by
the loop that they are kept from."""

_PIECES: Final = 8
_PIECE: Final = 4096
"""Bytes of a piece that is tried. A block is stored if none of its pieces becomes smaller by a fiftieth."""
_STORED: Final = 65_535
"""Bytes that deflate stores at once: RFC 1951, section 3.2.4."""


@dataclass(frozen=True, slots=True)
class Compression:
    """`level` is within LEVELS[algorithm]."""

    algorithm: Algorithm = "gzip"
    level: int = DEFAULT_LEVEL["gzip"]

    @property
    def suffix(self) -> str:
        """The suffix that image-spec appends to the media type `…layer.v1.tar`."""
        return {"gzip": "+gzip", "zstd": "+zstd", "none": ""}[self.algorithm]


class Watch(Protocol):
    """Told of each chunk that gzip has made `size` bytes of; `crc` is that of its layer up to its end."""

    def __call__(self, chunk: bytes, size: int, crc: int, /) -> None: ...


def unwatched(_chunk: bytes, _size: int, _crc: int, /) -> None:
    """Watch nothing."""


def compressed(
    chunks: Iterable[bytes],
    compression: Compression,
    *,
    pool: Executor,
    in_flight: int,
    watch: Watch = unwatched,
) -> Iterator[bytes]:
    """The blob of these chunks, piece by piece; each chunk but the last is exactly `stream.CHUNK` bytes long.

    At most `in_flight` chunks are held at a time; `pool` has the threads that compress.
    """
    match compression.algorithm:
        case "gzip":
            return _gzip(chunks, compression.level, pool, in_flight, watch)
        case "zstd":
            return _zstd(chunks, compression.level)
        case "none":
            return iter(chunks)


def _gzip(
    chunks: Iterable[bytes], level: int, pool: Executor, in_flight: int, watch: Watch
) -> Iterator[bytes]:
    from isal import isal_zlib

    crc, length = 0, 0

    # docs/decisions.md#a-gzip-block-begins-with-eight-bytes
    def deflated(data: bytes | memoryview, flush: int) -> bytes:
        deflate = isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)
        first = deflate.compress(data[:_FIRST]) + deflate.flush(isal_zlib.Z_SYNC_FLUSH)
        return b"".join((first, deflate.compress(memoryview(data)[_FIRST:]), deflate.flush(flush)))

    def block(data: bytes, crc: int, *, last: bool) -> bytes:
        made = stored_or_deflated(data, last=last)
        watch(data, len(made), crc)
        return made

    # docs/decisions.md#what-hardly-compresses-is-stored
    def stored_or_deflated(data: bytes, *, last: bool) -> bytes:
        pieces = _pieces(data)
        if pieces and all(50 * len(deflated(each, isal_zlib.Z_FULL_FLUSH)) > 49 * _PIECE for each in pieces):
            return _stored(data, last=last)
        return deflated(data, isal_zlib.Z_FINISH if last else isal_zlib.Z_FULL_FLUSH)

    # docs/decisions.md#gzip-is-compressed-in-independent-blocks
    def blocks() -> Iterator[Callable[[], bytes]]:
        nonlocal crc, length
        held: bytes | None = None
        for data in chunks:
            if held is not None:
                yield partial(block, held, crc, last=False)
            crc, length = isal_zlib.crc32(data, crc), length + len(data)
            held = data
        yield partial(block, held or b"", crc, last=True)

    yield _GZIP_HEADER
    yield from _in_order(blocks(), pool, in_flight)
    yield struct.pack("<II", crc, length & 0xFFFFFFFF)


def _pieces(data: bytes) -> Sequence[memoryview]:
    """Return pieces from all over a block, its first and its last bytes among them; none of a block that is small."""
    apart = (len(data) - _PIECE) // (_PIECES - 1)
    view = memoryview(data)
    return (
        [view[start : start + _PIECE] for start in range(0, _PIECES * apart, apart)]
        if apart >= _PIECE
        else ()
    )


def _stored(data: bytes, *, last: bool) -> bytes:
    """Return a block as deflate holds what it does not compress, which needs no flush to end at a whole byte."""
    pieces: list[bytes] = []
    for start in range(0, len(data), _STORED):
        piece = data[start : start + _STORED]
        ends = last and start + _STORED >= len(data)
        pieces += (struct.pack("<BHH", ends, len(piece), len(piece) ^ 0xFFFF), piece)
    return b"".join(pieces)


def _in_order(work: Iterator[Callable[[], bytes]], pool: Executor, in_flight: int) -> Iterator[bytes]:
    pending: deque[Future[bytes]] = deque()
    for job in work:
        pending.append(pool.submit(job))
        if len(pending) >= in_flight:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _zstd(chunks: Iterable[bytes], level: int) -> Iterator[bytes]:
    import zstandard

    # Any number of workers gives the same bytes, none gives others. Jobs of zstd's own size would hold 60 MiB a layer;
    # small ones that see an eighth of the window before them cost 0.5 % of size.
    # docs/decisions.md#zstd-always-runs-with-worker-threads
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        threads=2,
        job_size=_JOB,
        overlap_log=9,
        write_checksum=True,
        write_content_size=False,
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    length = 0
    for data in chunks:
        length += len(data)
        if piece := compressor.compress(data):
            yield piece
    if length % _JOB == 0:
        # A last job that is full may wait for a place as the end comes, and end the frame itself; else an empty one does.
        yield compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    yield compressor.flush()
