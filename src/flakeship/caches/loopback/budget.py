"""The time that caches which fail may cost one run, all together."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Budget:
    """Seconds that a run waits for caches that fail, counted once where several requests wait at the same time.

    `now` returns the seconds of a monotonic clock. A cache fails from the beginning of a request that failed until one
    that succeeds, or until it is given up.
    """

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._left, self._now = seconds, now
        self._failing: dict[object, float] = {}
        self._since = self._until = 0.0
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Return the seconds that are left; 0 or less when the budget is used up."""
        with self._lock:
            return self._left - (self._now() - self._since if self._failing else 0.0)

    def failed(self, cache: object, began: float) -> None:
        """Count the time since a request began that has failed."""
        with self._lock:
            since = max(began, self._until)
            self._since = min(self._since, since) if self._failing else since
            self._failing.setdefault(cache, since)

    def settled(self, cache: object) -> None:
        """Count no more for a cache: a request succeeded, or nothing is asked of it any more."""
        if cache not in self._failing:
            return
        with self._lock:
            self._failing.pop(cache, None)
            if not self._failing:
                self._until = self._now()
                self._left -= self._until - self._since
