"""A file of another cache, read from where it broke off, whose end is given only when all of it was checked."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from flakeship.caches.loopback.patience import Patience
from flakeship.caches.loopback.upstream import Body, Kind, NotThereError, Upstream

_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where the file of a path is; its size in bytes and its SHA-256 as far as the narinfo has them."""

    url: str
    size: int | None
    sha256: bytes | None


class FetchedFile(io.RawIOBase):
    """The file at a place. `size` is None where nobody says it; a read that fails raises NotThereError for good.

    NotThereError if it can't be opened. `failed` is True when a read raised.
    """

    def __init__(self, place: Place, upstream: Upstream, patience: Patience) -> None:
        super().__init__()
        self._place, self._upstream, self._patience = place, upstream, patience
        self._hash = hashlib.sha256()
        self._received, self._held, self._ready, self._ended = 0, b"", b"", False
        self.failed = False
        self._body: Body | None = None
        opened = patience.ask(self._opened)
        if opened is None:
            raise NotThereError(Kind.WRONG)
        self.size = opened.size if place.size is None else place.size
        if opened.size not in (None, self.size):
            self.close()
            self._fail(f"a file of {self.size} bytes comes with {opened.size}")

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most `size` bytes, or as many as came; none at the end."""
        while not self._ready and not self._ended:
            self._ready = self._next()
        count = len(self._ready) if size is None or size < 0 else size
        given, self._ready = self._ready[:count], self._ready[count:]
        return given

    def _next(self) -> bytes:
        """Return the piece before the one that comes, and the last two together."""
        data = self._patience.ask(self._piece)
        if data is None:
            self.failed = True
            raise NotThereError(Kind.WRONG)
        self._hash.update(data)
        self._received += len(data)
        self._ended = self._received == self.size if self.size is not None else not data
        given, self._held = self._held, data
        if not self._ended:
            return given
        self._check()
        return given + data

    def close(self) -> None:
        """Close the answer that is being read."""
        if self._body:
            self._body.close()
            self._body = None
        super().close()

    def _opened(self, seconds: float) -> Body:
        try:
            self._body = self._upstream.opened(self._place.url, seconds, start=self._received)
        except NotThereError as error:
            if error.kind in (Kind.MISSING, Kind.FORBIDDEN):
                raise NotThereError(Kind.WRONG, f"{error} for a file that a narinfo names") from error
            raise
        return self._body

    def _piece(self, seconds: float) -> bytes:
        body = self._body or self._opened(seconds)
        try:
            data = body.read(_PIECE if self.size is None else min(_PIECE, self.size - self._received))
            if not data and self.size is not None and self._received < self.size:
                raise NotThereError(Kind.PASSING, "its answer ended too early")
        except NotThereError:
            body.close()
            self._body = None
            raise
        return data

    def _check(self) -> None:
        if self._place.sha256 not in (None, self._hash.digest()):
            self._fail("a file has not the hash that its narinfo says")

    def _fail(self, reason: str) -> None:
        self.failed = True
        self._patience.fault(f"{reason} ({self._place.url})")
        raise NotThereError(Kind.WRONG, reason)
