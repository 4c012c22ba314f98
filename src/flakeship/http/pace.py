"""How long a peer is waited for: what counts is what it has sent or taken, not that something moves now and then."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

PIECE: Final = 64 * 1024
"""Bytes that a peer must have sent or taken before its time begins anew. At 60 seconds that is about 1 kB/s."""

SLICE: Final = 5.0
"""Seconds of waiting after which it is looked how much the peer has taken meanwhile."""


_BYTES_ACKED: Final = slice(120, 128)
"""Where `tcpi_bytes_acked` stands in the `struct tcp_info` of linux/tcp.h, since Linux 4.1."""


class EndlessAnswerError(OSError):
    """A server sends more than belongs to any answer. The text says of what."""


class Pace:
    """The time that a peer has left: `limit` seconds of waiting for each PIECE bytes that are reported to `moved`.

    A peer of which nothing is reported has `limit` seconds in all. Time in which nobody waits for it does not count.
    `now` returns the seconds of a monotonic clock.
    """

    def __init__(self, now: Callable[[], float], limit: float) -> None:
        self._now, self._limit = now, limit
        self._moved = 0
        self.left = limit

    def moved(self, count: int) -> None:
        """Count bytes that the peer has sent or taken."""
        self._moved += max(0, count)
        if self._moved >= PIECE:
            self._moved, self.left = 0, self._limit

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time until the block is left."""
        began = self._now()
        try:
            yield
        finally:
            self.left -= self._now() - began

    def slice(self) -> float:
        """Return the seconds to wait now. TimeoutError is raised if the peer has none left."""
        if self.left <= 0:
            raise TimeoutError
        return min(self.left, SLICE)


def acknowledged(sock: Any) -> int | None:
    """Return how many bytes the peer's system has acknowledged so far, None where this system does not tell.

    The kernel takes megabytes of a body at once, and sends them for minutes on a slow line; TLS writes much of what it was
    given and still says that it wrote nothing. What is acknowledged has arrived, whatever stands in between
    (https://www.man7.org/linux/man-pages/man7/tcp.7.html, TCP_INFO).
    """
    if sys.platform != "linux" or not isinstance(sock, socket.socket):
        return None
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)
    except OSError:
        return None
    return int.from_bytes(told[_BYTES_ACKED], sys.byteorder) if len(told) == _BYTES_ACKED.stop else None
