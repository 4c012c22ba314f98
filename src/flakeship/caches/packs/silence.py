"""The time that one cache may cost a run by giving and taking nothing, from its roots to its index."""

from __future__ import annotations

import threading
from typing import Final

MOST: Final = 9.0
"""Seconds of silence of one cache in one run: with all else a cache that fails may cost ten."""

_SHORT: Final = 2.0
"""Seconds of silence that a slow line may have again and again, and that do not count."""


# docs/decisions.md#one-silence-for-all-of-a-cache
class Silence:
    """Seconds in which the run waits and no byte moves, counted once where several threads wait. Times are of a monotonic clock."""

    def __init__(self, seconds: float = MOST) -> None:
        self._left, self._until = seconds, 0.0
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Return the seconds that are left, 0 or more."""
        return max(0.0, self._left)

    def note(self, since: float, until: float) -> None:
        """Count a silence that has ended, unless it was short."""
        if until - since > _SHORT:
            self.count(since, until)

    def count(self, since: float, until: float) -> None:
        """Count a silence, as one in which nobody waits any longer."""
        with self._lock:
            self._left -= max(0.0, until - max(since, self._until))
            self._until = max(until, self._until)


class Wait:
    """One wait, which asks again and again how long nothing has moved."""

    def __init__(self, silence: Silence, begun: float) -> None:
        self._silence, self._since = silence, begun

    def silent(self, moved: float, now: float) -> float:
        """Return the seconds since `moved`, or since the wait began; what was silent before that is noted."""
        since = max(self._since, moved)
        self._silence.note(self._since, since)
        self._since = since
        return now - since

    def give_up(self, now: float) -> None:
        """Count what is silent still."""
        self._silence.count(self._since, now)
