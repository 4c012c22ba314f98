"""The answer to a request for a blob, as the stream of its bytes from a position on."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flakeship.http.coding import as_stored
from flakeship.http.errors import BrokenConnectionError, WireError
from flakeship.image.model import Digest

if TYPE_CHECKING:
    from flakeship.http.response import Response

NO_RANGES: Final = (400, 405, 416, 501)
"""Statuses by which servers refuse a range of a blob that has it: GHCR has 501 for several ranges at once."""

PARTIAL: Final = 206
"""The status of an answer to a request for a range: https://www.rfc-editor.org/rfc/rfc9110#section-15.3.7."""

_SKIPPED: Final = 1024 * 1024
"""Bytes that are read and dropped at once."""


@dataclass(frozen=True, slots=True)
class BlobRange:
    """A part of a blob. `stream` is None if the server gives no parts; `url` is where the answer came from."""

    stream: io.RawIOBase | None
    url: str


def range_stream(response: Response, start: int, length: int, *, patience: float) -> io.RawIOBase:
    """Return the `length` bytes from `start` on, which were asked for. WireError for an answer with other ones."""
    if _first_byte(response) != start:
        raise WireError("the registry answered with another part of a blob than it was asked for")
    return _Part(response.stream(stall=patience), length)


def blob_stream(response: Response, digest: Digest, *, start: int) -> io.RawIOBase:
    """Return the bytes of a blob from `start` on, which the answer may begin before.

    WireError is raised for an answer that begins behind them. The digest is checked by the caller; only where nothing
    but the end of the connection ends the body, a wrong one is taken for a cut here, and is a WireError too.
    """
    stream = response.stream()
    if response.status != PARTIAL:  # a part of what was encoded can't be decoded
        stream = as_stored(stream, response.coding, response.origin)
        if not response.is_delimited and not start:
            stream = _Whole(stream, digest)
    _skip(stream, start - _first_byte(response))
    return stream


def _first_byte(response: Response) -> int:
    """Return the position in the blob at which the body of an answer begins."""
    if response.status != PARTIAL:
        return 0
    hit = re.fullmatch(r"bytes ([0-9]{1,18})-.*", response.headers.get("Content-Range", "").strip())
    if not hit:
        raise WireError(f"{response.origin} answered with a part of a blob, and does not say which")
    return int(hit[1])


def _skip(stream: io.RawIOBase, count: int) -> None:
    """Drop `count` bytes. WireError if the stream begins behind them, or ends before."""
    while count > 0 and (data := stream.read(min(count, _SKIPPED))):
        count -= len(data)
    if count:
        raise WireError("the registry answered with another part of a blob than it was asked for")


class _Whole(io.RawIOBase):
    """A blob whose end is only believed if it has its digest."""

    def __init__(self, reader: io.RawIOBase, digest: Digest) -> None:
        super().__init__()
        self._reader, self._digest = reader, digest
        self._hash = hashlib.new(digest.partition(":")[0])

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._reader.read(-1 if size is None else size) or b""
        self._hash.update(data)
        if size and not data and self._hash.hexdigest() != self._digest.partition(":")[2]:
            raise BrokenConnectionError(f"the connection broke before all of {self._digest[:19]} had come")
        return data


class _Part(io.RawIOBase):
    """So many bytes of a stream, which must have them."""

    def __init__(self, reader: io.RawIOBase, length: int) -> None:
        super().__init__()
        self._reader, self._left = reader, length

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data = (self._reader.read(wanted) or b"") if wanted else b""
        if wanted and not data:
            raise BrokenConnectionError("the connection broke before all of a part of a blob had come")
        self._left -= len(data)
        return data
