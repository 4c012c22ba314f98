"""What a case is, what is right in it, and the words that cases are written with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from tests.faults import wire
from tests.faults.bench import Outcome, Stage, State
from tests.testbed.registry_faults import Answer

SIZE: Final = 2 << 20
DOCUMENTS: Final = 4096
"""Bytes that config and manifests have at most, all that is sent of them together."""

TOKENS: Final = 2
"""That an undisturbed push asks for: one to push, and one to end the upload that it tries its rights with."""

STEPS: Final[Mapping[str, tuple[str, str]]] = {
    "the first question": ("GET", "^/v2/$"),
    "the token": ("GET", "^/token"),
    "the question for a blob": ("HEAD", "/blobs/sha256:"),
    "the start of an upload": ("POST", "/blobs/uploads/"),
    "the data": ("PATCH", "/blobs/uploads/"),
    "the commit": ("PUT", "/blobs/uploads/"),
    "the tag": ("PUT", "/manifests/1$"),
}


def nothing(stage: Stage, outcome: Outcome) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`arrange` sets the fault. `seconds` and `copies` bound time and how often the layer's bytes are sent.

    `says` is what the log must hold, `further` names what else is wrong.
    `unmet` allows that the fault is not met to its end, `sessions` are those that nobody can end, and `long` keeps it out
    of the quick part.
    """

    name: str
    arrange: Callable[[Stage], None]
    code: int = 0
    seconds: float = 30.0
    copies: int = 2
    says: str = ""
    further: Callable[[Stage, Outcome], str] = nothing
    sessions: int = 0
    unmet: bool = False
    long: bool = False

    def __str__(self) -> str:
        return self.name


def problems(case: Case, stage: Stage, outcome: Outcome) -> list[str]:
    """What is not as the case wants it; of no use for other tools, of which `survived` asks less."""
    wanted: State = "complete" if case.code == 0 else "absent"
    checks = {
        f"exit code {outcome.code} instead of {case.code}": outcome.code == case.code,
        f"{outcome.seconds:.1f} s": outcome.seconds <= case.seconds,
        f"{outcome.sent} bytes sent": outcome.sent <= case.copies * SIZE * 1.01 + DOCUMENTS,
        f"the tag is {outcome.state}": outcome.state == wanted,
        f"{outcome.sessions} upload sessions left open": outcome.sessions <= case.sessions,
        f"left behind: {outcome.litter}": not outcome.litter,
        f"shown: {outcome.secrets}": not outcome.secrets,
        "a traceback": "Traceback" not in outcome.said,
        "the fault was not met": case.unmet or stage.proxy.pending == 0,
        f"{case.says!r} is not said": case.says in outcome.said,
        "no error with what to do": case.code == 0 or "error: " in outcome.said,
    }
    found = [name for name, right in checks.items() if not right]
    return [*found, *filter(None, [case.further(stage, outcome)])]


def survived(outcome: Outcome) -> bool:
    """What is asked of any tool where the case wants success."""
    return outcome.code == 0 and outcome.state == "complete"


def at(step: str) -> tuple[str, str]:
    return STEPS[step]


def answered(
    step: str, status: int, *, times: int = 1, skip: int = 0, **how: object
) -> Callable[[Stage], None]:
    """The step is answered so in the server's stead; `body`, `headers` and `early` as `Faults.fail_next` has them."""
    return lambda stage: stage.proxy.fail_next(*at(step), status=status, times=times, skip=skip, **how)  # type: ignore[arg-type]


def acted(step: str, act: wire.Act, *, times: int = 1, skip: int = 0) -> Callable[[Stage], None]:
    return lambda stage: stage.proxy.act_next(*at(step), act, times=times, skip=skip)


def changed(step: str, change: Callable[[Answer], Answer], *, times: int = 1) -> Callable[[Stage], None]:
    return lambda stage: stage.proxy.change_next(*at(step), change, times=times)


def with_headers(**headers: str | None) -> Callable[[Answer], Answer]:
    """The answer with these headers, underscores for hyphens; None takes one away."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}

    def change(answer: Answer) -> Answer:
        kept = {name: value for name, value in answer.headers.items() if name not in given}
        return replace(
            answer, headers=kept | {name: value for name, value in given.items() if value is not None}
        )

    return change


def refusal(code: str, message: str = "no") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


def asked_again(step: str, most: int) -> Callable[[Stage, Outcome], str]:
    """What is wrong where the step is asked for more than `most` times."""

    def further(stage: Stage, outcome: Outcome) -> str:
        number = len(stage.proxy.of(*at(step)[:1], _part(step)))
        return f"{step} was asked for {number} times" if number > most else ""

    return further


def waited(step: str, seconds: float) -> Callable[[Stage, Outcome], str]:
    """What is wrong where the step that was refused first was asked for again before these seconds were over."""

    def further(stage: Stage, outcome: Outcome) -> str:
        asked = stage.proxy.of(*at(step)[:1], _part(step))
        if len(asked) < 2:
            return "it was not asked again"
        gap = asked[1].at - asked[0].at
        return f"it was asked again after {gap:.1f} s" if gap < seconds else ""

    return further


def _part(step: str) -> str:
    return at(step)[1].strip("^$")
