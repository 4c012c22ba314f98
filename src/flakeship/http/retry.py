"""The retry policy as a value, and the one loop that obeys it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from flakeship.events import Emit, Retry
from flakeship.http.errors import WireError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to bear with a server. All times in seconds.

    `budget` bounds what is waited between the tries of one action, not the tries themselves: a layer may take an
    hour to upload. `clock` is monotonic, `random` yields [0, 1).
    """

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    random: Callable[[], float]
    tries: int = 6
    base: float = 0.5
    cap: float = 30.0
    max_wait: float = 300.0
    budget: float = 600.0

    def backoff(self, attempt: int) -> float:
        """Full jitter, so that the clients that a server turned away do not come back together."""
        return self.random() * min(self.cap, self.base * 2.0 ** (attempt - 1))


def persist(action: Callable[[], T], *, what: str, policy: RetryPolicy, emit: Emit) -> T:
    """Do the whole of `action` again as long as it fails with a transient WireError and the policy allows."""
    waited = 0.0
    for attempt in itertools.count(1):
        try:
            return action()
        except WireError as error:
            wait = _wait(error, attempt, policy)
            if wait is None or waited + wait > policy.budget:
                if error.transient and attempt > 1:
                    error.add(f"tried {attempt} times")
                raise
            emit(Retry(what, error.message, attempt, wait))
        policy.sleep(wait)
        waited += wait
    raise AssertionError


def _wait(error: WireError, attempt: int, policy: RetryPolicy) -> float | None:
    """Seconds until the next try; None where there is no point in one."""
    if not error.transient or attempt >= min(policy.tries, error.tries or policy.tries):
        return None
    if error.retry_after is None:
        return policy.backoff(attempt)
    if error.retry_after > policy.max_wait:
        error.add(f"it asks to wait {error.retry_after:.0f} s, which is more than {policy.max_wait:.0f} s")
        return None
    return error.retry_after
