"""The two directions of a connection under limits: an answer has an end, and a wait is measured on what the peer does.

http.client waits for each piece of an answer anew, reads any number of interim answers, and takes a head that ends with
the connection for a whole one.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any, Final

from urllib3.util.wait import wait_for_read

from flakeship.http.pace import PIECE, EndlessAnswerError, Pace, acknowledged
from flakeship.http.timeouts import STALL_TIMEOUT

HEAD_LIMIT: Final = 128 * 1024
"""Bytes of an answer's head, with all interim answers before it."""

_OVERHEAD: Final = 16
"""How often what is asked for of a chunked body may come over the line: the smallest chunk takes six bytes for one."""

_INTERIM: Final = range(100, 200)
_SWITCHING: Final = 101


class _Incoming(io.RawIOBase):
    """What a peer sends, until `pace` has no time left or more than `room` bytes came.

    `renews` tells whether what comes gives the peer more time; what the peer takes does always.
    """

    def __init__(self, sock: Any, now: Callable[[], float]) -> None:
        super().__init__()
        self._sock, self._now = sock, now
        self._held = sock.makefile("rb", buffering=0)  # as long as it is open, so is the socket
        self._taken = acknowledged(sock) or 0
        self._last = b""
        self.pace = Pace(now, sock.gettimeout() or STALL_TIMEOUT)
        self.renews = False
        self.room = HEAD_LIMIT
        self.what = "the head of its answer"
        self.whole: Callable[[bytes], bool] = lambda last: not last
        """Tells by the last byte that came whether the connection may end here; b"" where none came."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if self.room <= 0:
            raise EndlessAnswerError(self.what)
        view = memoryview(buffer)[: self.room]
        count = self._received(view)
        if not count and not self.whole(self._last):
            raise ConnectionResetError
        self.room -= count
        if count:
            self._last = bytes(view[count - 1 : count])
        if self.renews:
            self.pace.moved(count)
        return count

    def _received(self, view: memoryview) -> int:
        while True:
            self._sock.settimeout(self.pace.slice())
            try:
                with self.pace.waiting():
                    count: int = self._sock.recv_into(view)
            except TimeoutError:
                taken = acknowledged(self._sock) or 0
                self.pace.moved(taken - self._taken)
                self._taken = taken
            else:
                return count

    def patience(self, seconds: float, *, renews: bool) -> None:
        """Give the peer `seconds` from now on."""
        self.pace, self.renews = Pace(self._now, seconds), renews

    def close(self) -> None:
        self._held.close()
        super().close()


class _Opened:
    """What http.client takes for a socket that it makes a file of."""

    def __init__(self, incoming: _Incoming) -> None:
        self._incoming = incoming

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._incoming)


class Answer(http.client.HTTPResponse):
    """An answer whose head has a limit in bytes and in time, and whose body comes at the pace that `patience` sets.

    The head, interim answers included, comes within the timeout of `sock`; then the body has STALL_TIMEOUT for each
    piece. `now` returns the seconds of a monotonic clock. Of an `abandoned` request not all was sent, so that its
    connection serves no other.
    """

    def __init__(
        self, sock: Any, *args: Any, now: Callable[[], float], abandoned: bool = False, **kwargs: Any
    ) -> None:
        self._incoming = _Incoming(sock, now)
        self._abandoned = abandoned
        super().__init__(_Opened(self._incoming), *args, **kwargs)  # type: ignore[arg-type]

    def begin(self) -> None:
        """Read the head, after those of any interim answers (https://www.rfc-editor.org/rfc/rfc9110#section-15.2)."""
        super().begin()
        while self.status in _INTERIM and self.status != _SWITCHING:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        incoming = self._incoming
        incoming.patience(STALL_TIMEOUT, renews=True)
        incoming.what = "the chunks of its answer"
        incoming.room = sys.maxsize
        # The line of a chunk's size may be cut to another number, also to the 0 that ends the body. A body without any
        # length ends with the connection, and one with a Content-Length is counted by urllib3.
        chunked = bool(self.chunked)
        incoming.whole = lambda last: not chunked or last == b"\n"
        if self._abandoned:
            self.will_close = True

    def read(self, amt: int | None = None) -> bytes:
        """Read as http.client does. What surrounds a chunk, and what follows the last one, has a limit too."""
        if self.chunked and amt is not None:
            self._incoming.room = amt * _OVERHEAD + HEAD_LIMIT
        return super().read(amt)

    def patience(self, seconds: float, *, renews: bool = False) -> None:
        """Let the rest of the body come within `seconds` of waiting in all; with `renews`, each 64 KiB of it."""
        self._incoming.patience(seconds, renews=renews)


class Speaking:
    """A mixin for the connections of urllib3, whose answers and requests are under limits."""

    now: Callable[[], float]
    _abandoned = False

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> Answer:
        """Make the answer to the request that was sent."""
        abandoned, self._abandoned = self._abandoned, False
        return Answer(sock, *args, now=self.now, abandoned=abandoned, **kwargs)

    def send(self: Any, data: Any) -> None:
        """Send a piece of a request. The peer has STALL_TIMEOUT for what it takes, however much the kernel holds for it.

        socket.sendall counts the time of all its data, and urllib3 leaves the connect timeout in force while it sends: a
        connection that is slow but alive would be cut (https://docs.python.org/3/library/socket.html).
        """
        if self.sock is None or not isinstance(data, bytes):
            super().send(data)  # type: ignore[misc]
            return
        pace, view, before = Pace(self.now, STALL_TIMEOUT), memoryview(data), acknowledged(self.sock)
        # TLS tells of nothing that it wrote until all of it is written, which where nothing else tells is too long.
        most = PIECE if isinstance(self.sock, ssl.SSLSocket) else len(view)
        while view:
            sent = self._sent(view[:most], pace)
            view = view[sent:]
            after = acknowledged(self.sock)
            pace.moved(sent if before is None or after is None else after - before)
            before = after

    def _sent(self: Any, view: memoryview, pace: Pace) -> int:
        """Return how many bytes the kernel took within a slice of time, which may be none.

        BrokenPipeError, of which urllib3 thinks nothing, is raised if a peer that takes no more has answered already.
        """
        plain = isinstance(self.sock, socket.socket)
        try:
            seconds = pace.slice()
            # TLS within TLS loses what it was sending when its time is over, so that it can't be asked again.
            self.sock.settimeout(seconds if plain else pace.left)
            with pace.waiting():
                sent: int = self.sock.send(view)
        except TimeoutError:
            if plain and pace.left > 0:
                return 0
            if wait_for_read(self.sock, timeout=0):
                self._abandoned = True
                raise BrokenPipeError from None
            raise
        return sent
