"""Time and chance, which a run takes from outside so that a test can replace them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """`now` is monotonic, `now` and `sleep` are in seconds, and `random` returns a number in [0, 1)."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    random: Callable[[], float]
