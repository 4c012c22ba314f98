"""Runs that are ended from outside at one of their requests, and the next push after each."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Final

from tests.faults import wire
from tests.faults.bench import Bench, Outcome, Running, Stage, start
from tests.faults.case import DOCUMENTS, STEPS
from tests.faults.tools import FLAKESHIP, Tool
from tests.testbed.registry_proxy import Exchange

LAYERS: Final = 3
SIZE: Final = 256 << 10
AT_MOST: Final = 2.0
"""Seconds from a signal to the end of the run."""

WITHIN: Final = 60.0
"""After so many it is killed."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """The request, counted from 0, at which the signal comes; -1 while layers are sent."""

    signal: signal.Signals
    request: int

    def __str__(self) -> str:
        where = f"at request {self.request}" if self.request >= 0 else "while layers are sent"
        return f"{self.signal.name} {where}"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """How it ended, `seconds` after the signal, and how the next push of the same image did, where there was one.

    `missing` are the bytes of blobs that the registry did not have before that next push, and `sent` what it sent.
    """

    interruption: Interruption
    outcome: Outcome
    seconds: float
    again: Outcome | None
    missing: int
    sent: int


def requests_of(bench: Bench) -> int:
    """How many an undisturbed push makes."""
    with _stage(bench) as stage:
        outcome = start(stage).ended(within=60)
        assert (outcome.code, outcome.state) == (0, "complete"), outcome.said
        return len(stage.proxy.requests)


def interrupted(
    bench: Bench, interruption: Interruption, *, again: bool = True, tool: Tool = FLAKESHIP
) -> Interrupted:
    """Send the signal while the proxy holds the request, let it pass, look, and push once more."""
    with _stage(bench) as stage:
        hold = stage.proxy.hold_next("*", "", skip=interruption.request)
        running = start(stage, tool)
        _wait(hold.arrived, running)
        found = _ended(stage, running, interruption, hold.let_pass)
        return _next(stage, found) if again else found


def interrupted_while_sending(bench: Bench, number: signal.Signals, tool: Tool) -> Interrupted:
    """Send the signal while every layer is on its way, over a slow line."""
    with _stage(bench) as stage:
        arrived = [threading.Event() for _ in range(2)]
        waiting, slowly = iter(arrived), wire.slow_reader(SIZE // 4)

        def act(exchange: Exchange) -> None:
            if event := next(waiting, None):
                event.set()
            slowly(exchange)

        stage.proxy.act_next(*STEPS["the data"], act, times=99)
        running = start(stage, tool)
        for event in arrived:
            _wait(event, running)
        return _ended(stage, running, Interruption(number, -1), stage.proxy.clear)


def _ended(
    stage: Stage, running: Running, interruption: Interruption, go_on: Callable[[], None]
) -> Interrupted:
    running.process.send_signal(interruption.signal)
    begun = time.monotonic()
    if interruption.signal is signal.SIGKILL:
        running.process.wait()
    go_on()  # the registry answers
    outcome = running.ended(within=WITHIN)
    return Interrupted(interruption, outcome, time.monotonic() - begun, None, 0, 0)


def _next(stage: Stage, found: Interrupted) -> Interrupted:
    stage.proxy.clear()
    assert stage.proxy.idle(within=60)
    held, before = stage.held(), stage.proxy.received
    again = start(stage).ended(within=60)
    manifest = stage.registry.manifest(stage.repository, "1") or {"layers": []}
    missing = sum(
        layer["size"] for layer in manifest["layers"] if layer["digest"].partition(":")[2] not in held
    )
    return replace(found, again=again, missing=missing, sent=stage.proxy.received - before)


def problems(found: Interrupted, *, at_most: float = AT_MOST) -> list[str]:
    """What is wrong with how it ended, and with the next push; of its sessions and litter `kept` tells."""
    killed = found.interruption.signal is signal.SIGKILL
    outcome, again = found.outcome, found.again
    code = -signal.SIGKILL if killed else 128 + found.interruption.signal
    checks = {
        f"exit code {outcome.code} instead of {code}": outcome.code == code or ended_in_time(found),
        f"{found.seconds:.1f} s until it ended": found.seconds <= at_most,
        "the tag leads to an image that is incomplete": outcome.state != "incomplete",
        f"left behind: {outcome.litter}": killed or not outcome.litter,
        f"shown: {outcome.secrets}": not outcome.secrets,
        "a traceback": "Traceback" not in outcome.said,
    }
    if again:
        checks[f"the next push ended with {again.code}, and the tag is {again.state}"] = (
            again.code == 0 and again.state == "complete"
        )
        checks[f"the next push sent {found.sent} bytes where {found.missing} were missing"] = (
            found.sent <= found.missing * 1.01 + DOCUMENTS
        )
    return [f"{found.interruption}: {name}" for name, right in checks.items() if not right]


def kept(found: Interrupted) -> list[str]:
    """The upload sessions that a signal left open."""
    number = found.outcome.sessions
    return [f"{found.interruption}: {number} upload sessions left open"] if number else []


def litter(found: Interrupted) -> list[str]:
    """The files that a killed run left and the next did not sweep."""
    left = found.again.litter if found.again else []
    return [f"{found.interruption}: {len(left)} files left"] if left else []


def ended_in_time(found: Interrupted) -> bool:
    """From the first name on all are set, and a run that had all of them set is no failure."""
    return found.outcome.code == 0 and found.outcome.state == "complete"


def spread(
    number: int, signals: Sequence[signal.Signals], *, step: int = 1, first: int = 0
) -> list[Interruption]:
    """Each `step`th of `number` requests, the signals in turn."""
    return [
        Interruption(signals[place % len(signals)], request)
        for place, request in enumerate(range(first, number, step))
    ]


def _stage(bench: Bench) -> AbstractContextManager[Stage]:
    return bench.stage(bench.image("some layers", layers=LAYERS, size=SIZE))


def _wait(arrived: threading.Event, running: Running) -> None:
    while not arrived.wait(0.05):
        if running.process.poll() is not None:
            return
