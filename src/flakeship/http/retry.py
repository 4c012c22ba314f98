"""The retry policies: their values, the table of the hosts that need another one, and the loop that obeys them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from flakeship.events import Emit, Retry
from flakeship.http.clock import Clock
from flakeship.http.errors import WireError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The limits of all tries of one action. Times are in seconds.

    A wait that the server does not state is random, below `first_wait` at first, twice as much each time, and never
    above `longest_wait`. A server that asks for more than `longest_asked_wait` is not asked again. `total_wait` limits
    the sum of the waits, not the time of the tries: a layer may take an hour to upload.
    """

    tries: int = 6
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_asked_wait: float = 300.0
    total_wait: float = 600.0


USUAL_POLICY: Final = RetryPolicy()
"""The policy of every host that POLICIES does not name."""

# docs/decisions.md#retries-follow-a-table-of-hosts
POLICIES: Final[dict[str, RetryPolicy]] = {}
"""The policy of a host that needs another one, by the host of its API (`registry-1.docker.io`, `name:port`)."""


def retrying(
    action: Callable[[], T], *, what: str, policy: RetryPolicy = USUAL_POLICY, clock: Clock, emit: Emit
) -> T:
    """Do the whole of `action` again as long as it raises a transient WireError and `policy` allows another try.

    `what` names the action in the events, for instance `upload of layer sha256:12ab to ghcr.io/owner/name`. The last
    WireError is raised, with a remark on how often it was tried.
    """
    waited = 0.0
    for attempt in itertools.count(1):
        try:
            return action()
        except WireError as error:
            wait = _wait(error, attempt, policy, clock)
            if wait is None or waited + wait > policy.total_wait:
                if error.transient and attempt > 1:
                    error.add(f"tried {attempt} times")
                raise
            emit(Retry(what, error.message, attempt, wait))
        clock.sleep(wait)
        waited += wait
    raise AssertionError


def _wait(error: WireError, attempt: int, policy: RetryPolicy, clock: Clock) -> float | None:
    """Return the seconds until the next try, or None where there shall be no other."""
    if not error.transient or attempt >= min(policy.tries, error.tries or policy.tries):
        return None
    # "Full jitter": clients that a server turned away together must not come back together
    # (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    own = clock.random() * min(policy.longest_wait, policy.first_wait * 2.0 ** (attempt - 1))
    if error.retry_after is None:
        return own
    if error.retry_after > policy.longest_asked_wait:
        error.add(
            f"it asks to wait {error.retry_after:.0f} s, which is more than {policy.longest_asked_wait:.0f} s"
        )
        return None
    return max(own, error.retry_after)  # a server that asks for no wait at all is no less busy than another
