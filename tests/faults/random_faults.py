"""Faults by chance: every request fails with the same probability, in any of the ways that pass."""

from __future__ import annotations

import random
import re
import threading
from typing import Final

from tests.faults import wire
from tests.faults.bench import Bench, Outcome, start
from tests.faults.tools import FLAKESHIP, Tool
from tests.testbed.registry_faults import Answer, Rule

LAYERS: Final = 3
SIZE: Final = 256 << 10
_STATUSES: Final = (500, 502, 503, 504, 429)
_ANY: Final = re.compile("")


def push(bench: Bench, probability: float, seed: int, tool: Tool = FLAKESHIP) -> tuple[Outcome, int]:
    """Push with faults, how it ended and how many it met. The seed decides the faults as far as requests come in one order."""
    with bench.stage(bench.image("random faults", layers=LAYERS, size=SIZE)) as stage:
        chance, lock, met = random.Random(seed), threading.Lock(), []

        def otherwise(method: str, path: str) -> Rule | None:
            with lock:
                if chance.random() >= probability:
                    return None
                met.append(path)
                return _rule(chance)

        stage.proxy.otherwise = otherwise
        outcome = start(stage, tool).ended(within=120)
        return outcome, len(met)


def _rule(chance: random.Random) -> Rule:
    kind = chance.randrange(6)
    if kind == 0:
        return Rule("reset", "*", _ANY, 1)
    if kind == 1:
        return Rule("reset", "*", _ANY, 1, after_bytes=chance.randrange(1, SIZE))
    if kind == 2:
        return Rule("lose", "*", _ANY, 1)
    if kind == 3:
        return Rule("act", "*", _ANY, 1, act=wire.cut_in_head(chance.uniform(0, 0.1)))
    status = chance.choice(_STATUSES)
    return Rule(
        "answer", "*", _ANY, 1, answer=Answer(status, body=b"<html>try again</html>"), early=kind == 5
    )
