"""A call that is waited for no longer than a given time, whatever it waits for itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def within(seconds: float, action: Callable[[], T], discard: Callable[[T], None]) -> T:
    """Return what `action` returns, or raise what it raises. TimeoutError if that takes longer than `seconds`.

    It goes on in a thread that does not keep the process alive, and `discard` gets what it returns too late. No other
    limit holds for all: a look-up in DNS has no timeout, and a host may have many addresses, each with its own.
    """
    call = _Call(action, discard)
    threading.Thread(target=call.run, daemon=True).start()
    return call.result(seconds)


class _Call(Generic[T]):
    def __init__(self, action: Callable[[], T], discard: Callable[[T], None]) -> None:
        self._action, self._discard = action, discard
        self._done = threading.Condition()
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._given_up = False

    def run(self) -> None:
        try:
            result = self._action()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            with self._done:
                self._error = error
                self._done.notify()
            return
        with self._done:
            late = self._given_up
            self._result.append(result)
            self._done.notify()
        if late:
            self._discard(result)

    def result(self, seconds: float) -> T:
        with self._done:
            self._done.wait_for(lambda: self._result or self._error, seconds)
            if self._error:
                raise self._error
            if not self._result:
                self._given_up = True
                raise TimeoutError
            return self._result[0]
