"""Which request fails next, and how: the rules that the fault proxy and the token server ask at every request."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.testbed.registry_proxy import Exchange

Kind = Literal["answer", "reset", "lose", "change", "hold", "act"]
LONGEST_HOLD = 60.0


@dataclass(slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Hold:
    """A request that has come and is kept from the server; `arrived` is set as soon as it has."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._over = threading.Event()
        self._passes = False

    def let_pass(self) -> None:
        self._passes = True
        self._over.set()

    def drop(self) -> None:
        self._over.set()

    def passes(self) -> bool:
        """Whether it may go on, once that is known."""
        self.arrived.set()
        self._over.wait(LONGEST_HOLD)
        return self._passes


@dataclass(slots=True)
class Rule:
    """One fault for the next `times` requests whose method is `method` and whose path is found by `pattern`."""

    kind: Kind
    method: str
    pattern: re.Pattern[str]
    times: int
    skip: int = 0
    answer: Answer = field(default_factory=lambda: Answer(500))
    early: bool = False
    after_bytes: int = 0
    change: Callable[[Answer], Answer] = lambda answer: answer
    hold: Hold = field(default_factory=Hold)
    act: Callable[[Exchange], None] = lambda exchange: exchange.reset()


class Faults:
    """Rules in the order they were made; the first that fits is used up by one. Where none does, `otherwise` is asked."""

    def __init__(self) -> None:
        self.otherwise: Callable[[str, str], Rule | None] = lambda method, path: None
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            for rule in self._rules:
                rule.hold.drop()
            self._rules.clear()

    @property
    def pending(self) -> int:
        """Rules that have not been used up: 0 proves that every fault was met."""
        with self._lock:
            return sum(rule.times > 0 for rule in self._rules)

    @property
    def left(self) -> int:
        """Requests that will still be met by a rule."""
        with self._lock:
            return sum(rule.times for rule in self._rules)

    def fail_next(
        self,
        method: str,
        pattern: str,
        *,
        status: int,
        times: int = 1,
        skip: int = 0,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        early: bool = False,
    ) -> None:
        """Answer with `status` in the server's stead; `early` does so before the body is read, and hangs up."""
        answer = Answer(status, dict(headers or {}), body)
        self._add(Rule("answer", method, re.compile(pattern), times, skip, answer=answer, early=early))

    def reset_next(
        self, method: str, pattern: str, *, after_bytes: int = 0, times: int = 1, skip: int = 0
    ) -> None:
        """Pass on `after_bytes` of the body, then reset both connections."""
        self._add(Rule("reset", method, re.compile(pattern), times, skip, after_bytes=after_bytes))

    def lose_response(self, method: str, pattern: str, *, times: int = 1, skip: int = 0) -> None:
        """Let the server do all of it, then reset the client instead of answering."""
        self._add(Rule("lose", method, re.compile(pattern), times, skip))

    def change_next(
        self, method: str, pattern: str, change: Callable[[Answer], Answer], *, times: int = 1, skip: int = 0
    ) -> None:
        """Rewrite the server's answer on its way back."""
        self._add(Rule("change", method, re.compile(pattern), times, skip, change=change))

    def hold_next(self, method: str, pattern: str, *, skip: int = 0) -> Hold:
        """Keep the next one, unanswered, until it is let pass, or dropped with its connection."""
        rule = Rule("hold", method, re.compile(pattern), 1, skip)
        self._add(rule)
        return rule.hold

    def act_next(
        self, method: str, pattern: str, act: Callable[[Exchange], None], *, times: int = 1, skip: int = 0
    ) -> None:
        """Let `act` do with the bytes of the exchange whatever it likes; only the proxy of the registry knows this one."""
        self._add(Rule("act", method, re.compile(pattern), times, skip, act=act))

    def _add(self, rule: Rule) -> None:
        with self._lock:
            self._rules.append(rule)

    def take(self, method: str, path: str) -> Rule | None:
        with self._lock:
            for rule in self._rules:
                if rule.times > 0 and rule.method in ("*", method) and rule.pattern.search(path):
                    if rule.skip:
                        rule.skip -= 1
                        continue
                    rule.times -= 1
                    return rule
            return self.otherwise(method, path)
