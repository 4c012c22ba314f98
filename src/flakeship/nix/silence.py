"""A build of which nothing is heard: after some minutes a line says what is waited for, since when, and what would end it.

To hear nothing is usual: a linker is silent for long, and so is a Nix that stands still on another machine, whose sshd lives.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from flakeship.events import Emit, StillWaiting
from flakeship.nix.log import Log
from flakeship.printable import counted
from flakeship.store_paths import name_of_derivation

_FIRST: Final = 300.0
"""Seconds of silence before the first line; each further line comes after twice as long."""
_SHOWN: Final = 3


@dataclass(slots=True)
class Silence:
    """Measures how long `log` was told nothing. `store` is where all is built, if that is not this machine."""

    log: Log
    emit: Emit
    store: str = ""
    clock: Callable[[], float] = time.monotonic
    _heard: float = field(default=0.0, init=False)
    _patience: float = field(default=_FIRST, init=False)
    _begun: dict[str, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._heard = self.clock()

    def take(self, line: bytes) -> None:
        """Give a line to the log, and note when it came."""
        self.log.take(line)
        self._heard, self._patience = self.clock(), _FIRST
        if b'"action":"st' in line:  # something starts or stops
            self._begun = {drv: self._begun.get(drv, self._heard) for drv in self.log.running}

    def due(self) -> float:
        """Tell of the silence if it is time for that; return the seconds until it may be next."""
        silent = self.clock() - self._heard
        if silent < self._patience:
            return self._patience - silent
        self._patience *= 2
        self.emit(StillWaiting(self._told(silent)))
        return self._patience - silent

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Tell of it while the block runs."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(max(self.due(), 1.0)):
                pass

        thread = threading.Thread(target=watch, name="silence", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _told(self, silent: float) -> str:
        heard = f"nothing was heard of Nix for {_minutes(silent)}"
        running = {drv: where or self.store for drv, where in self.log.running.items()}
        if not running:
            return f"{heard}, and it builds nothing at the moment: it evaluates, fetches, or waits for another Nix or a machine"
        oldest = sorted(running, key=lambda drv: self._begun.get(drv, 0.0))
        named = [self._one(drv, running[drv]) for drv in oldest[:_SHOWN]]
        if more := len(oldest) - len(named):
            named.append(counted(more, "more"))
        return f"{heard}, and it builds {', '.join(named)}; {_bounds(any(running.values()))}"

    def _one(self, drv: str, store: str) -> str:
        where = f" on {store.partition('://')[2].partition('?')[0] or store}" if store else ""
        return f"{name_of_derivation(drv)}{where} (for {_minutes(self.clock() - self._begun.get(drv, self._heard))})"


def _bounds(elsewhere: bool) -> str:
    # By ssh-ng Nix hands these settings to no machine, and does not apply its own to what is built there:
    # https://github.com/NixOS/nix/blob/master/src/libstore/ssh-store.cc
    if elsewhere:
        return (
            "only `max-silent-time` or `timeout` (seconds) in nix.conf of that machine would end it, or the time limit of the job, "
            "which alone does if its Nix stands still"
        )
    return "only `max-silent-time` or `timeout` (seconds) in `nix-config` would end it, or the time limit of the job"


def _minutes(seconds: float) -> str:
    minutes = int(seconds / 60)
    return counted(minutes, "minute") if minutes else "less than a minute"
