"""The one place that knows a buffer's size: full chunks of a reader, hashing, and readers that count and bound."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias

CHUNK: Final = 1024 * 1024
"""Bytes. Part of the packing recipe: isal's output depends on how its input is cut, so every compressor is
fed pieces of exactly this size (the last one shorter), whatever pieces a pipe delivers."""


class Reader(Protocol):
    """A stream of bytes: `read` returns at most `size` of them, and none only at the end."""

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...


class Stream(io.RawIOBase):
    """A Reader of our own that passes for a file: only `read` is left to be said."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        assert data is not None
        buffer[: len(data)] = data
        return len(data)


def read_full(reader: Reader, size: int = CHUNK) -> bytes:
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


def chunks(reader: Reader, size: int = CHUNK) -> Iterator[bytes]:
    while data := read_full(reader, size):
        yield data


def sha256_of(reader: Reader) -> tuple[str, int]:
    """Digest (`sha256:…`) and length in bytes of all that is left to read."""
    hasher, length = hashlib.sha256(), 0
    for data in chunks(reader):
        hasher.update(data)
        length += len(data)
    return f"sha256:{hasher.hexdigest()}", length


Pieces: TypeAlias = Generator[bytes, int | None, None]
"""Told, by those who read them, how many bytes the next piece has room for; it may be longer, and is copied then."""


class Joined(Stream):
    """Pieces of any size, read as one stream."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._begun = False
        self._held: list[bytes] = []
        self._length = 0

    def read(self, size: int = -1, /) -> bytes:
        held, length = self._held, self._length
        while length < size or size < 0:
            try:
                piece = self._pieces.send(size - length if self._begun and size > 0 else None)
            except StopIteration:
                size = length
                break
            self._begun = True
            held.append(piece)
            length += len(piece)
        rest = b""
        if length > size:
            last = held.pop()
            cut = len(last) - (length - size)
            held.append(last[:cut])
            rest = last[cut:]
        self._held, self._length = [rest], len(rest)
        return b"".join(held)

    def close(self) -> None:
        self._pieces.close()  # and the file it stands in
        super().close()
