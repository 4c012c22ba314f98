"""How long a cache that fails is asked again, and what is reported of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar

from flakeship.caches.loopback.budget import Budget
from flakeship.caches.loopback.upstream import Kind, NotThereError
from flakeship.events import Detail, Emit, Warned

T = TypeVar("T")
_FIRST_WAIT: Final = 0.25
_LEAST: Final = 1.0
"""Seconds that a cache has which did not fail, when others have used up the time for all."""

_TRIES: Final = 5
"""With the waits between them they survive a cache that is restarted, and one path that fails for ever is soon left out."""

_HINT: Final = "check the cache and its credentials; what can't be had from it is built here"


class Patience:
    """Asks the cache that messages call `name`, until it answers or the `budget` of all caches is used up.

    Of all that goes wrong the first is a warning, and the rest is for `log-level: debug`.
    """

    def __init__(self, name: str, *, budget: Budget, now: Callable[[], float], emit: Emit) -> None:
        self._name, self._budget, self._now, self._emit = name, budget, now, emit
        self._over = threading.Event()
        self._closed = self._warned = False
        self._lock = threading.Lock()
        self._answers = self._forbidden = 0

    def ask(self, question: Callable[[float], T], *, of_a_path: bool = True) -> T | None:
        """Return the answer, None if there won't be one. `question` gets the seconds that it may take at most.

        One that is not `of_a_path` may be answered to all, also by a cache that gives its paths only to some.
        """
        try:
            return self._answer(question, of_a_path=of_a_path)
        finally:
            self._budget.settled(self)

    def _answer(self, question: Callable[[float], T], *, of_a_path: bool) -> T | None:
        wait, reason = _FIRST_WAIT, ""
        for last in (*[False] * (_TRIES - 1), True):
            left, began = self._budget.left, self._now()
            if self._over.is_set():
                break
            if left <= 0 and reason:
                self.give_up(reason)
                break
            try:
                answer = question(max(left, _LEAST))
            except NotThereError as error:
                reason = str(error)
                if not self._is_asked_again(error, began, last=last):
                    break
                self._over.wait(min(max(wait, error.wait), max(0.0, self._budget.left)))
                wait *= 2
            else:
                self._answers += of_a_path
                return answer
        return None

    def give_up(self, reason: str) -> None:
        """Ask nothing more, for a reason that is a clause: "it answers 500"."""
        self._over.set()
        self._report(f"the cache {self._name} is not asked any more: {reason}")

    def fault(self, reason: str) -> None:
        """Report something that the cache has and that can't be used."""
        self._report(f"not all that the cache {self._name} has can be used: {reason}")

    @property
    def has_warned(self) -> bool:
        """Whether a warning has said what is wrong with it."""
        return self._warned

    def close(self) -> None:
        """Warn of a cache that forbade all that was asked, as many do where a token is wrong. Ask nothing more."""
        if self._closed:
            return
        self._closed = True
        self._over.set()
        if self._forbidden and not self._answers and not self._warned:
            text = f"the cache {self._name} gave nothing: it answers 403 to every question"
            self._emit(Warned(text, hint=_HINT))

    def _is_asked_again(self, error: NotThereError, began: float, *, last: bool) -> bool:
        match error.kind:
            case Kind.PASSING:
                self._budget.failed(self, began)
                if error.wait >= self._budget.left:
                    self.give_up(str(error))
                elif last:
                    self._report(f"the cache {self._name} does not answer every question: {error}")
                else:
                    self._emit(Detail(f"the cache {self._name}: {error}; it is asked again"))
                    return True
            case Kind.REFUSED:
                self.give_up(str(error))
            case Kind.FORBIDDEN:
                self._forbidden += 1
            case Kind.WRONG:
                self.fault(str(error))
            case Kind.MISSING:
                self._answers += 1
        return False

    def _report(self, text: str) -> None:
        if self._closed:  # a question that was under way when the run ended
            return
        with self._lock:
            first, self._warned = not self._warned, True
        self._emit(Warned(text, hint=_HINT) if first else Detail(text))
