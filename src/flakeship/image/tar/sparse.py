"""Sparse files in a tar: stored without their zeros, in the four forms that GNU tar and others write, and read whole.

https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.image.stream import CHUNK, Reader, Stream, read_full
from flakeship.image.tar.blocks import BLOCK, DamagedError, number
from flakeship.printable import counted

SIZE_LIMIT: Final = 1 << 36
"""Bytes that a sparse file may unpack to: none of them need be in the archive."""
SEGMENT_LIMIT: Final = 1 << 17
"""Segments of all files of an archive: each is kept in memory."""

_DIGITS: Final = 20
_EMPTY: Final = bytes(CHUNK)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the pieces of a file belong, as offset and length, and the file's size, in bytes. `read` bytes of the data said so."""

    segments: Sequence[tuple[int, int]]
    size: int
    read: int = 0


class Expanded(Stream):
    """A sparse file as it was: the pieces that `stored` holds one behind the other, with the zeros between them."""

    def __init__(self, stored: Reader, segments: Sequence[tuple[int, int]], size: int) -> None:
        self._stored, self._size = stored, size
        self._segments = iter(segments)
        self._position = 0
        self._segment = next(self._segments, (size, 0))

    def read(self, size: int = -1, /) -> bytes:
        while self._position >= sum(self._segment) < self._size:
            self._segment = next(self._segments, (self._size, 0))
        offset, length = self._segment
        wanted = CHUNK if size < 0 else min(size, CHUNK)
        if self._position < offset:
            data = _EMPTY[: min(wanted, offset - self._position)]
        else:
            wanted = min(wanted, offset + length - self._position)
            data = self._stored.read(wanted) if wanted else b""
        self._position += len(data)
        return data

    def close(self) -> None:
        if not self.closed:
            self._stored.close()
        super().close()


def check(found: Layout, stored: int, name: str, *, total: int) -> None:
    """Raise DamagedError unless the segments lie in order within the file, and `stored` bytes are theirs.

    `total` counts the segments of all files so far.
    """
    if not 0 <= found.size <= SIZE_LIMIT:
        raise DamagedError(f"its sparse member {name} claims {counted(found.size, 'byte')}")
    if total > SEGMENT_LIMIT:
        raise _too_many()
    end = 0
    for offset, length in found.segments:
        if offset < end or length < 0:
            raise DamagedError(f"the pieces of its sparse member {name} overlap")
        end = offset + length
    if end > found.size or sum(length for _, length in found.segments) > stored:
        raise DamagedError(f"the pieces of its sparse member {name} are longer than it is")


def of_header(block: bytes, next_block: Callable[[], bytes]) -> Layout:
    """GNU's old form: four pairs in the header, 21 in each block that follows it before the data."""
    pairs = list(_in_block(block, 386, 4))
    size, more, left = _number(block[483:495]), block[482], SEGMENT_LIMIT // 21
    while more:
        block, left = next_block(), left - 1
        if not block:
            raise _malformed()
        if not left:
            raise _too_many()
        pairs += _in_block(block, 0, 21)
        more = block[504]
    return Layout(pairs, size)


def _in_block(block: bytes, start: int, count: int) -> Iterator[tuple[int, int]]:
    for place in range(start, start + 24 * count, 24):
        offset, length = _number(block[place : place + 12]), _number(block[place + 12 : place + 24])
        if length:
            yield offset, length


def _number(field: bytes) -> int:
    try:
        return number(field)
    except ValueError as error:
        raise _malformed() from error


def of_records(records: Mapping[bytes, bytes], data: Reader) -> Layout:
    """The forms of pax headers: 0.0 and 0.1 have the pairs among the records, 1.0 before the data."""
    size = records.get(b"GNU.sparse.realsize") or records.get(b"GNU.sparse.size") or b""
    read = 0
    if records.get(b"GNU.sparse.major", b"0") == b"0":
        numbers = [_decimal(text) for text in records.get(b"GNU.sparse.map", b"").split(b",") if text]
    elif (records[b"GNU.sparse.major"], records.get(b"GNU.sparse.minor")) == (b"1", b"0"):
        numbers, read = _before_data(data)
    else:
        raise DamagedError("a sparse member is of a form that flakeship does not know")
    if len(numbers) % 2:
        raise _malformed()
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return Layout([pair for pair in pairs if pair[1]], _decimal(size), read)


def _before_data(data: Reader) -> tuple[list[int], int]:
    """Lines of decimal numbers, padded to a block: how many pairs, then the pairs."""
    numbers: list[int] = []
    rest, read, count = b"", 0, 0
    while not numbers or len(numbers) <= count:
        block = read_full(data, BLOCK)
        read += len(block)
        if not block:
            raise _malformed()
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > BLOCK and len(numbers) + len(lines) <= count:
            raise _malformed()
        for line in lines:
            if not numbers or len(numbers) <= count:
                numbers.append(_decimal(line))
                count = 2 * numbers[0]
        if count > 2 * SEGMENT_LIMIT:
            raise _too_many()
    return numbers[1:], read


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > _DIGITS:
        raise _malformed()
    return int(text)


def _malformed() -> DamagedError:
    return DamagedError("a sparse member does not say where its pieces belong")


def _too_many() -> DamagedError:
    return DamagedError(f"its sparse members have more than {SEGMENT_LIMIT} pieces")
