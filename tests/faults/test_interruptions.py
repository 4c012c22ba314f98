"""A signal at any request: the run ends at once, leaves nothing, and the next push sends what was missing and no more."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import pytest

from tests.faults.bench import Bench
from tests.faults.conftest import AT_ONCE
from tests.faults.interruptions import (
    WITHIN,
    Interrupted,
    interrupted,
    interrupted_while_sending,
    kept,
    litter,
    problems,
    requests_of,
    spread,
)
from tests.faults.known import verdict
from tests.faults.tools import PATIENT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults"), pytest.mark.timeout(900)]

POLITE = (signal.SIGINT, signal.SIGTERM)
Some: TypeAlias = Sequence[Interrupted]


def ended(bench: Bench, signals: Sequence[signal.Signals], *, step: int, again: bool) -> list[Interrupted]:
    """Signals at each `step`th request, from the second on, that of the settings of the session."""
    chosen = spread(requests_of(bench), signals, step=step, first=step // 2)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda each: interrupted(bench, each, again=again, tool=PATIENT), chosen))


def all_of(runs: Some, what: Callable[[Interrupted], list[str]]) -> list[str]:
    return list(itertools.chain.from_iterable(map(what, runs)))


def wrong(found: Interrupted) -> list[str]:
    """What of it is wrong, but for the seconds that a busy machine takes: `./dev faults` looks at them."""
    return problems(found, at_most=WITHIN / 2)


@pytest.fixture(scope="session")
def killed(bench: Bench) -> Some:
    return ended(bench, [signal.SIGKILL], step=7, again=True)


@pytest.fixture(scope="session")
def cancelled(bench: Bench) -> Some:
    return ended(bench, POLITE, step=5, again=False)


def test_a_killed_push_is_made_whole_by_the_next(killed: Some) -> None:
    assert all_of(killed, wrong) == []
    assert any(run.missing for run in killed)
    assert any(run.missing == 0 for run in killed)


def test_what_a_killed_push_left_is_swept_by_the_next(killed: Some) -> None:
    assert not verdict("what a killed push left is swept by the next", all_of(killed, litter))


def test_a_cancelled_push_ends_at_once_and_leaves_no_part(cancelled: Some) -> None:
    assert all_of(cancelled, wrong) == []


def test_a_cancelled_push_ends_its_sessions(cancelled: Some) -> None:
    assert not verdict("a cancelled push ends its sessions", all_of(cancelled, kept))


@pytest.mark.parametrize("number", POLITE)
def test_a_push_that_is_cancelled_while_layers_are_sent(bench: Bench, number: signal.Signals) -> None:
    found = interrupted_while_sending(bench, number, PATIENT)
    assert wrong(found) == []
    assert not verdict("a push that is cancelled while layers are sent ends its sessions", kept(found))


@pytest.mark.long
def test_killed_at_every_request(bench: Bench) -> None:
    runs = ended(bench, [signal.SIGKILL], step=1, again=True)
    assert all_of(runs, wrong) == []


@pytest.mark.long
@pytest.mark.parametrize("number", POLITE)
def test_cancelled_at_every_request(bench: Bench, number: signal.Signals) -> None:
    runs = ended(bench, [number], step=1, again=True)
    assert all_of(runs, wrong) == []
    assert not verdict("a cancelled push ends its sessions", all_of(runs, kept))
