"""What docs/reliability.md states, measured: each measurement gives figures by name, in words."""

from __future__ import annotations

import re
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeAlias

from tests.e2e.test_memory import peak
from tests.faults import random_faults
from tests.faults.bench import Bench, at_home, opened_at, start
from tests.faults.case import SIZE, Case, survived
from tests.faults.cases import CASES
from tests.faults.fuzzing.__main__ import run as fuzz
from tests.faults.fuzzing.targets import TARGETS
from tests.faults.interruptions import interrupted, kept, problems, requests_of, spread
from tests.faults.known import KNOWN
from tests.faults.test_random_faults import at_once, slow_line
from tests.faults.tools import FLAKESHIP, Tool
from tests.faults.trial import Trial, trial
from tests.image.test_memory import MIB, sparse

AT_ONCE: Final = 4
Figures: TypeAlias = dict[str, str]


def single_faults(bench: Bench) -> Figures:
    """Every case once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        trials = list(pool.map(lambda case: trial(bench, case), CASES))
    wrong = [each for each in trials if each.problems]
    for each in wrong:
        print(f"  {each.case}: {'; '.join(each.problems)}" + (" (known)" if each.case.name in KNOWN else ""))
    timed = {each.case.name: f"{each.outcome.seconds:.1f} s" for each in trials}
    shown = [each for each in trials if each.outcome.secrets]
    return {
        "single faults": f"{len(trials) - len(wrong)} of {len(trials)} end as they should",
        "runs that showed a secret": f"{len(shown)} of {len(trials)}",
        **{
            name: timed[name]
            for name in ("401 for ever", "no right to push", "429 with Retry-After: 2 for the data")
        },
    }


def by_chance(bench: Bench, number: int, tool: Tool = FLAKESHIP) -> Figures:
    """Pushes whose requests fail by chance: how many of `number` succeed."""
    found = {}
    for words, probability in (("a hundred", 0.01), ("twenty", 0.05)):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            push = lambda seed: random_faults.push(bench, probability, seed, tool)  # noqa: E731, B023 - used up here
            outcomes = list(pool.map(push, range(number)))
        good = sum(survived(outcome) for outcome, _ in outcomes)
        met = sum(faults for _, faults in outcomes)
        for outcome, _ in outcomes:
            if not survived(outcome) and tool.ours:
                print("  ", *[line for line in outcome.said.splitlines() if "error" in line][-1:])
        found[f"one request in {words} fails"] = f"{good} of {number} pushes succeed, past {met} faults"
    return found


def interruptions(bench: Bench) -> Figures:
    """Each of the three signals at every request, and the push after each."""
    number = requests_of(bench)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        all_signals = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
        places = [each for one in all_signals for each in spread(number, [one])]
        runs = list(pool.map(lambda each: interrupted(bench, each), places))
    killed = [run for run in runs if run.interruption.signal is signal.SIGKILL]
    polite = [run for run in runs if run not in killed]
    for run in runs:
        for line in problems(run):
            print("  ", line)
    parts = sum(run.outcome.state == "incomplete" for run in runs)
    beyond = max(run.sent - run.missing for run in runs)
    return {
        "killed": f"at each of {number} requests, made whole by the next push in "
        f"{sum(run.again is not None and survived(run.again) for run in killed)} of {len(killed)} cases",
        "tags on a part of an image": f"{parts} of {len(runs)}",
        "sent by the next push beyond what was missing": f"{beyond:,} bytes at most (config and manifests)",
        "cancelled": f"by SIGINT and SIGTERM at each of {number} requests",
        "the slowest end": f"{max(run.seconds for run in polite):.2f} s",
        "upload sessions left open": f"in {sum(bool(kept(run)) for run in polite)} of {len(polite)} cases",
    }


def crowd(bench: Bench) -> Figures:
    good = 0
    for _ in range(5):
        outcomes, stage = at_once(bench, 8)
        good += all(outcome.code == 0 for outcome in outcomes) and stage.state() == "complete"
    return {"eight at once": f"{good} of 5 times all succeed"}


def second_push(bench: Bench) -> Figures:
    with bench.stage(bench.image("one layer", size=SIZE)) as stage:
        start(stage).ended(within=60)
        requests, sent = len(stage.proxy.requests), stage.proxy.received
        again = start(stage).ended(within=60)
        assert again.code == 0, again.said
        number = len(stage.proxy.requests) - requests
        return {"a second push": f"{number} requests, {stage.proxy.received - sent:,} bytes"}


def memory(bench: Bench) -> Figures:
    found = {}
    for words, size in (("256 MiB", 256 * MIB), ("8 GiB", 8191 * MIB)):
        with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
            image = sparse(Path(folder) / "image.tar", size)
            with bench.stage(image) as stage:
                flags = ("--source", str(image), "--tags", stage.reference)
                used = peak(at_home(stage), stage.folder, *flags)
        found[f"a layer of {words}"] = f"{used / MIB:.0f} MiB at most"
    return found


def slow(bench: Bench) -> Figures:
    outcome, begun = slow_line(bench)
    return {"a slow line": f"begun {begun} times, exit code {outcome.code} after {outcome.seconds:.0f} s"}


def fuzzing(seconds: float) -> Figures:
    results = fuzz([target.name for target in TARGETS], seconds)
    return {
        "inputs": f"{sum(each.inputs for each in results):,} in {seconds:.0f} s for each of {len(results)} readers",
        "crashes": str(sum(len(each.crashes) for each in results)),
        "hangs": str(sum(len(each.hangs) for each in results)),
        "the slowest input": f"{max(each.slowest for each in results):.2f} s",
        "the most memory": f"{max(each.peak for each in results) >> 20} MiB",
    }


def compared(bench: Bench, tools: Sequence[Tool], number: int) -> dict[str, Any]:
    """The same faults for every tool: what is to end well, and only where a tool does what fails."""
    rows: dict[str, list[object]] = {}
    table: dict[str, dict[str, str]] = {}
    cases = [case for case in CASES if case.code == 0 and not case.long]
    for tool in tools:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            trials = list(pool.map(lambda case: trial(bench, case, tool), cases))  # noqa: B023 - used up here
        met = [each for each in trials if each.met]
        ended = sum(each.outcome.code is None for each in met)
        chances = [value.split(" pushes")[0] for value in by_chance(bench, number, tool).values()]
        rows[tool.name] = [len(met), sum(survived(each.outcome) for each in met), ended, *chances]
        for each in trials:
            table.setdefault(each.case.name, {})[tool.name] = _word(each)
    return {"rows": rows, "cases": table, "figures": {}}


def second_registry(crane: Sequence[str]) -> Figures:
    """The single faults before another registry, as far as it is asked for what fails."""
    cases = [case for case in CASES if not case.long and not re.match("the token|401", case.name)]
    with (
        tempfile.TemporaryDirectory() as folder,
        opened_at(crane, Path(folder) / "bench") as bench,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        trials = list(pool.map(lambda case: trial(bench, case), cases))
    met = [each for each in trials if each.met]
    wrong = [each for each in met if each.problems]
    for each in wrong:
        print(f"  {each.case}: {'; '.join(each.problems)}" + (" (known)" if each.case.name in KNOWN else ""))
    return {"before `crane registry serve`": f"{len(met) - len(wrong)} of {len(met)}"}


def _word(tried: Trial) -> str:
    if not tried.met:
        return "not met"
    if survived(tried.outcome):
        return "yes"
    return "**hangs**" if tried.outcome.code is None else f"**{tried.outcome.code}**"


MEASURES: Final[Mapping[str, Callable[[Bench], Figures]]] = {
    "single": single_faults,
    "chance": lambda bench: by_chance(bench, 200),
    "interruptions": interruptions,
    "crowd": crowd,
    "second": second_push,
    "memory": memory,
    "slow": slow,
}


def single(bench: Bench, name: str) -> tuple[Case, Trial]:
    """One case by its name, for those who look into it."""
    case = next(case for case in CASES if case.name == name)
    return case, trial(bench, case)
