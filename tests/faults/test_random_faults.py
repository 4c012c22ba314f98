"""Pushes whose every request may fail, and several at once to one name."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.bench import TAG, Bench, Outcome, Stage, open_sessions, start
from tests.faults.case import STEPS, refusal
from tests.faults.conftest import AT_ONCE
from tests.faults.known import verdict
from tests.faults.random_faults import push
from tests.faults.wire import slow_reader
from tests.testbed.registry import Registry, serve
from tests.testbed.registry_proxy import Exchange, fault_proxy

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults"), pytest.mark.timeout(900)]


def many(bench: Bench, probability: float, number: int) -> tuple[list[Outcome], int]:
    """The outcomes, and the faults that were met in all."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pushed = list(pool.map(lambda seed: push(bench, probability, seed), range(number)))
    return [outcome for outcome, _ in pushed], sum(met for _, met in pushed)


def wrong(outcomes: list[Outcome]) -> list[str]:
    """What is wrong with any of them: a failure, a tag on a part of an image, litter, a traceback."""
    return [
        outcome.said
        for outcome in outcomes
        if (outcome.code, outcome.state, outcome.litter, outcome.secrets) != (0, "complete", [], [])
        or "Traceback" in outcome.said
    ]


def test_a_few_pushes_with_one_fault_in_ten_requests(bench: Bench) -> None:
    outcomes, met = many(bench, 0.1, 4)
    assert met
    assert not wrong(outcomes)


@pytest.mark.long
@pytest.mark.parametrize(("probability", "least"), [(0.01, 200), (0.05, 198)])
def test_two_hundred_pushes(bench: Bench, probability: float, least: int) -> None:
    outcomes, met = many(bench, probability, 200)
    assert met
    assert sum(outcome.code == 0 for outcome in outcomes) >= least
    assert all(outcome.state != "incomplete" for outcome in outcomes)


def at_once(bench: Bench, number: int) -> tuple[list[Outcome], Stage]:
    """`number` pushes of one name, of two images in turn, all at once."""
    repository = bench.registry.new_repository()
    with ExitStack() as stack:
        images = [bench.image(f"one of two: {which}", layers=2, size=1 << 18) for which in range(2)]
        stages = [
            stack.enter_context(bench.stage(images[place % 2], repository=repository))
            for place in range(number)
        ]
        running = [start(stage) for stage in stages]
        return [each.ended(within=120) for each in running], stages[0]


@pytest.mark.parametrize("number", [3, pytest.param(8, marks=pytest.mark.long)])
def test_several_pushes_of_one_name_at_once(bench: Bench, number: int) -> None:
    outcomes, stage = at_once(bench, number)
    assert [outcome.code for outcome in outcomes] == [0] * number, [outcome.said for outcome in outcomes]
    assert stage.state(TAG) == "complete"


@pytest.mark.long
def test_the_registry_is_killed_in_the_middle_and_comes_back_without_sessions(
    bench: Bench, tmp_path: Path
) -> None:
    """The layer that it has by then is not sent again."""
    with ExitStack() as stack:
        first = ExitStack()
        registry = first.enter_context(serve(tmp_path / "first"))
        proxy = stack.enter_context(fault_proxy(registry.host))
        image = bench.image("restart", layers=2, size=1 << 18)
        (tmp_path / "run").mkdir()
        stage = Stage(registry, proxy, registry.new_repository(), image, tmp_path / "run")
        hold = proxy.hold_next(*STEPS["the commit"], skip=1)
        running = start(stage)
        assert hold.arrived.wait(60)
        end = time.monotonic() + 60
        while not stage.held():  # the other layer is on its way
            assert time.monotonic() < end
        first.close()
        for session in registry.root.rglob("_uploads"):
            session.rename(tmp_path / "lost sessions")
        storage = {"filesystem": {"rootdirectory": str(registry.root)}, "delete": {"enabled": True}}
        again = stack.enter_context(serve(tmp_path / "second", storage=storage))
        stage.registry = Registry(again.host, registry.root, again.folder)
        proxy.upstream = again.host
        hold.let_pass()
        outcome = running.ended(within=60)
        stage.registry._opened.close()
    assert (outcome.code, outcome.sessions) == (0, 0), outcome.said
    assert outcome.sent <= 3 * (1 << 18) * 1.05
    assert json.dumps(outcome.litter) == "[]"


def test_one_layer_that_is_refused_ends_the_sessions_of_the_others(bench: Bench) -> None:
    with bench.stage(bench.image("refused", layers=3, size=1 << 18)) as stage:
        stage.proxy.act_next(*STEPS["the data"], slow_reader(1 << 17))
        stage.proxy.fail_next(*STEPS["the data"], status=403, body=refusal("DENIED", "quota"), times=9)
        outcome = start(stage).ended(within=60)
        assert (outcome.code, outcome.state) == (5, "absent"), outcome.said
        left = open_sessions(stage)
    name = "one layer that is refused ends the sessions of the others"
    assert not verdict(name, [f"{left} sessions left open"] if left else [])


def slow_line(bench: Bench) -> tuple[Outcome, int]:
    """A layer of 6 MiB over 10 kB/s, and how often it was begun.

    The sender's kernel takes most of it at once, and then only what is acknowledged can tell that it goes on. Hence a small receive
    buffer: one in which all of it has room, as some systems allow, acknowledges all of it at once.
    """
    begun: list[float] = []
    slowly = slow_reader(10_000, queue=128 << 10)

    def act(exchange: Exchange) -> None:
        if exchange.size > 1 << 20:
            begun.append(time.monotonic())
        slowly(exchange)

    with bench.stage(bench.image("slow line", size=6 << 20)) as stage:
        stage.proxy.act_next(*STEPS["the data"], act, times=99)
        return start(stage).ended(within=1500), len(begun)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_slow_line_with_a_deep_queue(bench: Bench) -> None:
    outcome, begun = slow_line(bench)
    right = outcome.code == 0 and begun == 1
    assert not verdict("a slow line with a deep queue", [] if right else [outcome.said])
