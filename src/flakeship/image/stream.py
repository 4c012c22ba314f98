"""The one place that knows a buffer's size: full chunks of a reader, hashing, and readers that count and bound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Final

CHUNK: Final = 1024 * 1024
"""Bytes. Part of the packing recipe: isal's output depends on how its input is cut, so every compressor is
fed pieces of exactly this size (the last one shorter), whatever pieces a pipe delivers."""


def read_full(reader: BinaryIO, size: int = CHUNK) -> bytes:
    """Read `size` bytes, fewer only at the end, however small the pieces that the reader hands out."""
    data = reader.read(size)
    if len(data) == size or not data:
        return data
    pieces = [data]
    missing = size - len(data)
    while missing and (data := reader.read(missing)):
        pieces.append(data)
        missing -= len(data)
    return b"".join(pieces)


def chunks(reader: BinaryIO, size: int = CHUNK) -> Iterator[bytes]:
    while data := read_full(reader, size):
        yield data


def sha256_of(reader: BinaryIO) -> tuple[str, int]:
    """Digest (`sha256:…`) and length in bytes of all that is left to read."""
    hasher, length = hashlib.sha256(), 0
    for data in chunks(reader):
        hasher.update(data)
        length += len(data)
    return f"sha256:{hasher.hexdigest()}", length
