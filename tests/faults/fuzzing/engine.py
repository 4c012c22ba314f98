"""Feeds a target, input by input: each number gives the same input every time, and each input its own limit of time."""

from __future__ import annotations

import random
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from flakeship.errors import Error
from tests.faults.fuzzing.targets import Target

LONGEST: Final = 5.0
"""Seconds of the processor for one input. What takes longer is a hang."""


class HangError(BaseException):
    """Raised within a reader that takes too long."""


@dataclass(slots=True)
class Findings:
    """`crashes` and `hangs` by the number of the input."""

    inputs: int = 0
    crashes: dict[int, str] = field(default_factory=dict)
    hangs: list[int] = field(default_factory=list)
    slowest: float = 0.0


def input_of(target: Target, number: int) -> bytes:
    return target.make(random.Random(f"{target.name} {number}"))


def fuzz(
    target: Target,
    numbers: Iterable[int],
    folder: Path,
    *,
    begun: Callable[[int], None] = lambda number: None,
) -> Findings:
    """Feed the target these inputs; `begun` is told before each."""
    found = Findings()
    allowed: tuple[type[Exception], ...] = (Error, *target.allowed)
    with target.opened(folder) as read, _alarm():
        for number in numbers:
            data = input_of(target, number)
            begun(number)
            start = time.process_time()
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
                read(data)
            except allowed:
                pass
            except HangError:
                found.hangs.append(number)
            except Exception:  # noqa: BLE001 - any other exception is what is looked for
                found.crashes[number] = traceback.format_exc()
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            found.slowest = max(found.slowest, time.process_time() - start)
            found.inputs += 1
    return found


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise HangError

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)
