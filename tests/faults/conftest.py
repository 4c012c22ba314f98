"""One bench for all tests of this folder, which run in one worker; pushes that have nothing to do but wait do so together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import pytest

from tests.faults.bench import Bench, opened
from tests.faults.case import Case
from tests.faults.trial import Trial, trial

AT_ONCE = 4

Trials: TypeAlias = Callable[[Case], Trial]


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with opened(tmp_path_factory.mktemp("bench") / "bench") as running:
        yield running


@pytest.fixture(scope="session")
def trials(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Trials]:
    """Every case of the session is begun at the first that is asked for."""
    specs = [spec for item in request.session.items if (spec := getattr(item, "callspec", None))]
    chosen = {case.name: case for spec in specs if isinstance(case := spec.params.get("case"), Case)}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        begun: dict[str, Future[Trial]] = {
            name: pool.submit(trial, bench, case) for name, case in chosen.items()
        }
        yield lambda case: begun[case.name].result()
        for waiting in begun.values():
            waiting.cancel()
