"""Runs that are ended from outside at one of their requests, and the next push after each."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from tests.faults.bench import Bench, Outcome, Running, Stage, start
from tests.faults.cases import DOCUMENTS

LAYERS: Final = 3
SIZE: Final = 256 << 10
AT_MOST: Final = 2.0
"""Seconds from a signal to the end of the run."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """The request, counted from 0, at which the signal comes. A negative one means that the run had ended before."""

    signal: signal.Signals
    request: int

    def __str__(self) -> str:
        return f"{self.signal.name} at request {self.request}"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """How it ended, `seconds` after the signal, and how the next push of the same image did.

    `missing` are the bytes of blobs that the registry did not have before that next push, and `sent` what it sent.
    """

    interruption: Interruption
    outcome: Outcome
    seconds: float
    again: Outcome
    missing: int
    sent: int


def requests_of(bench: Bench) -> int:
    """How many an undisturbed push makes."""
    with _stage(bench) as stage:
        outcome = start(stage).ended(within=60)
        assert (outcome.code, outcome.state) == (0, "complete"), outcome.said
        return len(stage.proxy.requests)


def interrupted(bench: Bench, interruption: Interruption) -> Interrupted:
    """Send the signal while the proxy holds the request, let it pass, look, and push again."""
    with _stage(bench) as stage:
        hold = stage.proxy.hold_next("*", "", skip=interruption.request)
        running = start(stage)
        _wait(hold.arrived, running)
        running.process.send_signal(interruption.signal)
        begun = time.monotonic()
        if interruption.signal is signal.SIGKILL:
            running.process.wait()
        hold.let_pass()  # the registry goes on answering
        outcome = running.ended(within=20)
        seconds = time.monotonic() - begun
        stage.proxy.clear()
        return _next(stage, interruption, outcome, seconds)


def _next(stage: Stage, interruption: Interruption, outcome: Outcome, seconds: float) -> Interrupted:
    time.sleep(0.1)  # what the registry was told last is stored
    held, before = stage.held(), stage.proxy.received
    again = start(stage).ended(within=60)
    manifest = stage.registry.manifest(stage.repository, "1") or {"config": {}, "layers": []}
    missing = sum(
        layer["size"] for layer in manifest["layers"] if layer["digest"].partition(":")[2] not in held
    )
    return Interrupted(interruption, outcome, seconds, again, missing, stage.proxy.received - before)


def problems(found: Interrupted) -> list[str]:
    killed = found.interruption.signal is signal.SIGKILL
    outcome, again = found.outcome, found.again
    code = -signal.SIGKILL if killed else 128 + found.interruption.signal
    checks = {
        f"exit code {outcome.code} instead of {code}": outcome.code == code or ended_in_time(found),
        f"{found.seconds:.1f} s until it ended": found.seconds <= AT_MOST,
        "the tag leads to an image that is incomplete": outcome.state != "incomplete",
        f"{outcome.sessions} upload sessions left open": killed or outcome.sessions == 0,
        f"left behind: {outcome.litter}": killed or not outcome.litter,
        f"shown: {outcome.secrets}": not outcome.secrets,
        "a traceback": "Traceback" not in outcome.said,
        f"the next push ended with {again.code}, and the tag is {again.state}": (again.code, again.state)
        == (0, "complete"),
        f"the next push sent {found.sent} bytes where {found.missing} were missing": found.sent
        <= found.missing * 1.01 + DOCUMENTS,
    }
    return [f"{found.interruption}: {name}" for name, right in checks.items() if not right]


def ended_in_time(found: Interrupted) -> bool:
    """From the first name on all are set, and a run that had all of them set is no failure."""
    return found.outcome.code == 0 and found.outcome.state == "complete"


def spread(number: int, signals: Sequence[signal.Signals], *, step: int = 1) -> list[Interruption]:
    """Each `step`th of `number` requests, the signals in turn."""
    return [
        Interruption(signals[place % len(signals)], request)
        for place, request in enumerate(range(0, number, step))
    ]


def _stage(bench: Bench) -> AbstractContextManager[Stage]:
    return bench.stage(bench.image("some layers", layers=LAYERS, size=SIZE))


def _wait(arrived: threading.Event, running: Running) -> None:
    while not arrived.wait(0.05):
        if running.process.poll() is not None:
            return
