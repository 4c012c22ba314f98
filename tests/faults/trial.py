"""One case, tried once: the push that meets its fault, and what the trial says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tests.faults.bench import Bench, Outcome, start
from tests.faults.case import SIZE, Case, problems
from tests.faults.tools import FLAKESHIP, Tool


@dataclass(frozen=True, slots=True)
class Trial:
    """`met` is false where the tool never did what fails; then nothing is learnt of it."""

    case: Case
    outcome: Outcome
    problems: list[str]
    met: bool


def trial(bench: Bench, case: Case, tool: Tool = FLAKESHIP) -> Trial:
    """Push one layer past the fault. A push that takes longer than it may is ended then."""
    own = (
        "" if bench.tokens else f" {hashlib.sha256(case.name.encode()).hexdigest()}"
    )  # crane shares all blobs
    with bench.stage(bench.image(f"one layer{own}", size=SIZE)) as stage:
        case.arrange(stage)
        before = stage.proxy.left
        outcome = start(stage, tool).ended(within=case.seconds + 5)
        return Trial(case, outcome, problems(case, stage, outcome), stage.proxy.left < before)
