"""Threads for a block: finished when it is left in peace, abandoned when it is left by an error."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor


@contextlib.contextmanager
def workers(name: str, threads: int, stop: threading.Event | None = None) -> Iterator[Executor]:
    """A pool of `threads`. On an error `stop` is set and nobody is waited for: one of them may be reading a pipe
    that ends only when an outer block ends the process behind it.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        yield pool
    except BaseException:
        if stop:
            stop.set()
        # docs/decisions.md#an-error-abandons-its-threads
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
