"""Threads for a block: finished when it is left in peace, abandoned when it is left by an error."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

_abandoned: list[threading.Thread] = []
"""Of the process, because a run that ends hears of none of the pools that its steps have opened."""


@contextlib.contextmanager
def workers(name: str, threads: int, stop: threading.Event | None = None) -> Iterator[Executor]:
    """A pool of `threads`. On an error `stop` is set and nobody is waited for: one of them may be reading a pipe
    that ends only when an outer block ends the process behind it. Such threads are waited for by `joined`.
    """
    begun: list[threading.Thread] = []
    pool = ThreadPoolExecutor(
        threads, thread_name_prefix=name, initializer=lambda: begun.append(threading.current_thread())
    )
    try:
        yield pool
        pool.shutdown()
    except BaseException:
        if stop:
            stop.set()
        # docs/decisions.md#an-error-abandons-its-threads
        pool.shutdown(wait=False, cancel_futures=True)
        _abandoned.extend(begun)
        raise


def joined(seconds: float) -> bool:
    """Wait at most `seconds` for the threads that errors have abandoned; return whether all have ended."""
    deadline = time.monotonic() + seconds
    while _abandoned:
        thread = _abandoned[-1]
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            return False
        _abandoned.remove(thread)
    return True
