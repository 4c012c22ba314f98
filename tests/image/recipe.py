"""Prints the digests of blobs made of one input, for every algorithm and level that promises the same bytes on every CPU.

Runs as a program too, under an emulated CPU: it imports next to nothing.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from flakeship.image.compress import Algorithm, Compression, compressed
from flakeship.image.stream import CHUNK

RECIPES: Final[tuple[tuple[Algorithm, int], ...]] = (
    ("gzip", 0),
    ("gzip", 1),
    ("gzip", 2),
    ("zstd", 3),
    ("none", 0),
)
SIZE: Final = 3 * CHUNK + 12_345
"""Spans chunks, and ends within one."""


def sample(size: int = SIZE) -> bytes:
    """Text, machine code's like, zeros and noise, in turn; the same everywhere."""
    pieces = []
    for number in range(size // 3000 + 1):
        noise = hashlib.sha256(str(number).encode()).digest()
        pieces += [
            b"%08d some text, %s;\n" % (number, noise[:4].hex().encode()) * 20,
            noise * 20,
            bytes(1000),
        ]
        pieces.append(bytes((number * index) & 0xFF for index in range(1500)))
    return b"".join(pieces)[:size]


def noise(size: int) -> bytes:
    """Bytes that no program makes smaller; the same everywhere."""
    return hashlib.shake_128(b"noise").digest(size)


def mixed() -> bytes:
    """Chunks that compress, and one between them that hardly does."""
    return b"".join((sample(CHUNK), noise(CHUNK), sample(SIZE - 2 * CHUNK)))


def chunked(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


def blob(data: bytes, algorithm: Algorithm, level: int, *, threads: int = 2) -> bytes:
    with ThreadPoolExecutor(threads) as pool:
        how = Compression(algorithm, level)
        return b"".join(compressed(chunked(data), how, pool=pool, in_flight=threads + 1))


def digests() -> list[str]:
    data = mixed()
    return [
        f"{algorithm} {level} {hashlib.sha256(blob(data, algorithm, level)).hexdigest()}"
        for algorithm, level in RECIPES
    ]


if __name__ == "__main__":
    sys.stdout.write("\n".join(digests()) + "\n")
