"""Bodies in a Content-Encoding, which nobody asked for: some proxies compress whatever passes through them.

https://www.rfc-editor.org/rfc/rfc9110#section-8.4
"""

from __future__ import annotations

import io
import zlib
from typing import Final

from flakeship.http.errors import BrokenConnectionError, WireError
from flakeship.http.origin import Origin

_PLAIN: Final = frozenset({"", "identity"})
_ZLIB: Final = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER: Final = 32 + zlib.MAX_WBITS
"""The number by which zlib reads a gzip or a zlib header: some servers send raw deflate, which has neither."""

_BLOCK: Final = 64 * 1024
_BEGINNINGS: Final = (b"{", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
"""What a blob begins with that only its server has compressed: a config in JSON, a layer in gzip or zstd."""


def coding_of(header: str) -> str:
    """Return what a header Content-Encoding says in lower case, empty for a body that is as it is."""
    said = header.strip().lower()
    return "" if said in _PLAIN else said


def decoded(reader: io.RawIOBase, coding: str, origin: Origin) -> io.RawIOBase:
    """Return a body as it was before `coding`. WireError is raised for one that was not asked for and is not known."""
    if not coding:
        return reader
    if coding not in _ZLIB:
        raise WireError(
            f"{origin} answered in the Content-Encoding {coding[:40]!a}, which was not asked for",
            hint="ask the operator of the proxy in front of the registry to switch its compression off",
            transient=False,
        )
    return _Inflated(reader, origin)


def as_stored(reader: io.RawIOBase, coding: str, origin: Origin) -> io.RawIOBase:
    """Return the stream of a blob, whose digest is that of its bytes before any coding.

    Some servers call the gzip of a layer itself a Content-Encoding, as web servers do with files named `.gz`: then it must
    stay. What was really encoded shows by what is in it, see _BEGINNINGS; the digest decides in the end.
    """
    if not coding:
        return reader
    if coding not in _ZLIB:
        return decoded(reader, coding, origin)
    head = reader.read(_BLOCK) or b""
    whole = _Prefixed(head, reader)
    try:
        begins = zlib.decompressobj(_EITHER).decompress(head, 4)
    except zlib.error:
        return whole
    return _Inflated(whole, origin) if begins.startswith(_BEGINNINGS) else whole


class _Prefixed(io.RawIOBase):
    """`head`, then the rest of `reader`."""

    def __init__(self, head: bytes, reader: io.RawIOBase) -> None:
        super().__init__()
        self._head, self._reader = head, reader

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if not self._head:
            return self._reader.read(-1 if size is None else size) or b""
        cut = len(self._head) if size is None or size < 0 else size
        data, self._head = self._head[:cut], self._head[cut:]
        return data


class _Inflated(io.RawIOBase):
    """A body in gzip or deflate, which is decompressed no further than it is read."""

    def __init__(self, reader: io.RawIOBase, origin: Origin) -> None:
        super().__init__()
        self._reader, self._origin = reader, origin
        self._inflater = zlib.decompressobj(_EITHER)
        self._waiting = b""
        self._begun = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes; b"" at the end. WireError if it is damaged or was cut."""
        wanted = _BLOCK if size is None or size < 0 else size
        while wanted:
            if not self._waiting:
                self._waiting = self._reader.read(_BLOCK) or b""
            ended = not self._waiting
            if ended and (not self._begun or self._inflater.eof):
                return b""
            if data := self._next(wanted):
                return data
            if ended:
                raise BrokenConnectionError(
                    f"{self._origin}: the connection broke before the answer was complete"
                )
        return b""

    def _next(self, wanted: int) -> bytes:
        if self._inflater.eof:  # another member follows
            self._inflater = zlib.decompressobj(_EITHER)
        try:
            data = self._inflater.decompress(self._waiting, wanted)
        except zlib.error as error:
            if self._begun:
                raise WireError(f"{self._origin} sent an answer whose compression is damaged") from error
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            self._begun = True
            return self._next(wanted)
        self._begun = True
        self._waiting = self._inflater.unconsumed_tail or self._inflater.unused_data
        return data
