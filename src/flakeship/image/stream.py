"""Streams of bytes: what a reader is, how it is read in full chunks, and the streams that wrap another.

The one place that knows a buffer's size.
"""

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
    """A Reader of our own that passes for a file: a subclass defines `read` alone."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        assert data is not None
        buffer[: len(data)] = data
        return len(data)


class Wrapper(Stream):
    """A stream over another, which is closed with it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def read(self, size: int = -1, /) -> bytes:
        return self._reader.read(size)

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
        super().close()


class Unclosed(Wrapper):
    """A stream over another, which stays open when it is closed."""

    def close(self) -> None:
        Stream.close(self)


class Hashing(Wrapper):
    """A stream that hashes what is read of it, and counts it: `size` is in bytes."""

    def __init__(self, reader: Reader, algorithm: str = "sha256") -> None:
        super().__init__(reader)
        self._algorithm, self._hash = algorithm, hashlib.new(algorithm)
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._reader.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    @property
    def digest(self) -> str:
        """The digest of all that was read so far, `sha256:…`."""
        return f"{self._algorithm}:{self._hash.hexdigest()}"


class Prefixed(Wrapper):
    """`head`, then the rest of `reader`: a stream whose first bytes were looked at."""

    def __init__(self, head: bytes, reader: Reader) -> None:
        super().__init__(reader)
        self._head = head

    def read(self, size: int = -1, /) -> bytes:
        if not self._head:
            return self._reader.read(size)
        cut = len(self._head) if size < 0 else size
        data, self._head = self._head[:cut], self._head[cut:]
        return data


Pieces: TypeAlias = Generator[bytes, int | None, None]
"""A generator that may be sent how many bytes its next piece has room for; a longer piece is copied."""


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
    """Yield all that is left to read, in pieces of exactly `size` bytes, the last one shorter."""
    while data := read_full(reader, size):
        yield data


def sha256_of(reader: Reader) -> tuple[str, int]:
    """Return the digest (`sha256:…`) and the length in bytes of all that is left to read."""
    hasher, length = hashlib.sha256(), 0
    for data in chunks(reader):
        hasher.update(data)
        length += len(data)
    return f"sha256:{hasher.hexdigest()}", length
