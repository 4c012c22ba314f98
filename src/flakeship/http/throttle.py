"""Pauses that all threads keep for one server, and a limit of parallel requests that falls when a server fails."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from flakeship.http.clock import Clock
from flakeship.http.origin import Origin

_BURST = 2
_WINDOW = 5.0
_RECOVERY = 16


class Pauses:
    """The pauses that servers asked for: no request to an origin starts before its pause is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[Origin, float] = {}
        self._lock = threading.Lock()

    def pause(self, origin: Origin, seconds: float) -> None:
        """Begin a pause for an origin; a longer one that is still running stays."""
        with self._lock:
            until = self._clock.now() + seconds
            self._until[origin] = max(until, self._until.get(origin, until))

    def wait(self, origin: Origin) -> None:
        """Sleep until no pause is left for an origin."""
        while (left := self._until.get(origin, 0.0) - self._clock.now()) > 0:
            self._clock.sleep(left)


class AdaptiveLimit:
    """A limit of the parallel requests to one server: none at first, and half of them after a burst of failures.

    The limit is halved at the second failure within five seconds, and grows by one after sixteen successes. Gitea and
    Nexus fail with as many parallel uploads as other registries accept: https://github.com/go-gitea/gitea/issues/31964,
    https://github.com/sonatype/nexus-public/issues/967.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._free = threading.Condition()
        self._active = 0
        self._limit: int | None = None
        self._troubles: list[float] = []
        self._successes = 0

    @property
    def limit(self) -> int | None:
        """Return the number of parallel requests, or None while there is no limit."""
        return self._limit

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a free place, and hold it until the block is left."""
        with self._free:
            self._free.wait_for(lambda: self._limit is None or self._active < self._limit)
            self._active += 1
        try:
            yield
        finally:
            with self._free:
                self._active -= 1
                self._free.notify_all()

    def trouble(self) -> None:
        """Count an answer of 429 or 5xx."""
        with self._free:
            now = self._now()
            self._troubles = [then for then in self._troubles if now - then < _WINDOW] + [now]
            if len(self._troubles) >= _BURST:
                self._limit = max(1, (self._limit or self._active) // 2)
                self._troubles.clear()
            self._successes = 0

    def success(self) -> None:
        """Count a request that succeeded."""
        with self._free:
            self._successes += 1
            if self._limit is not None and self._successes >= _RECOVERY:
                self._limit, self._successes = self._limit + 1, 0
                self._free.notify_all()
