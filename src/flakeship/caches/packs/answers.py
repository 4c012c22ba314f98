"""Several questions to a repository at once, none of which is waited for longer than a given time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TypeVar

from flakeship.caches.packs.blocks import LateError

T = TypeVar("T")


def answers_within(seconds: float, actions: Mapping[str, Callable[[], T]]) -> dict[str, T | Exception]:
    """Do all of these at once, and return what each returned or raised; LateError for one that takes longer.

    Nobody waits for the thread of that one, which ends with the program.
    """
    answers: dict[str, Future[T]] = {name: Future() for name in actions}

    def do(name: str) -> None:
        try:
            answers[name].set_result(actions[name]())
        except Exception as error:  # noqa: BLE001 - it is raised, or told, by who waits
            answers[name].set_exception(error)

    for name in actions:
        threading.Thread(target=do, args=(name,), name="flakeship-cache", daemon=True).start()
    deadline = time.monotonic() + seconds
    found: dict[str, T | Exception] = {}
    for name, answer in answers.items():
        try:
            failed = answer.exception(max(0.0, deadline - time.monotonic()))
            found[name] = failed if isinstance(failed, Exception) else answer.result()
        except TimeoutError:
            found[name] = LateError(f"it did not answer within {seconds:.2g} seconds")
    return found
