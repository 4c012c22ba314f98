"""A cache is fed while the build runs, by one thread of low priority, and with results while these are pushed; then it is drained."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

from flakeship import events
from flakeship.caches.keeper import Taker
from flakeship.caches.nar_entry import PathInfo
from flakeship.errors import Error
from flakeship.image.nar.writer import nar_pieces

_GATHER_SECONDS: Final = 0.5
"""How long what is built is gathered, before Nix is asked about all of it at once."""

_LOOK_SECONDS: Final = 0.02
_NICE: Final = 10
_AT_ONCE: Final = 4


Choose: TypeAlias = Callable[[Collection[str], Collection[str]], Iterator[PathInfo]]
"""Yields what is to be pushed of derivations that were built, and of results."""


class Feeder:
    """Pushes what it is told of to `taker`. What fails is a warning, and then no more is pushed of that.

    `settle` is called by a thread of ours when all is pushed, if nothing more is to be built.
    """

    def __init__(
        self, taker: Taker, choose: Choose, emit: events.Emit, *, settle: Callable[[], None] = lambda: None
    ) -> None:
        self._taker, self._choose, self._emit, self._settle = taker, choose, emit, settle
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._news = threading.Event()
        self._ended = threading.Event()
        self._all_built = False
        self._derivations: list[str] = []
        self._results: list[str] = []
        self._left: list[PathInfo] = []
        self._seen: set[str] = set()
        self._told: set[str] = set()
        self._thread: threading.Thread | None = None
        self._beside: threading.Thread | None = None
        """The thread that pushes results."""
        self._deadline = 0.0
        self._busy = 0
        """Paths that are being pushed, also by threads of a drain that a signal ended."""

    def built(self, derivation: str) -> None:
        """Note a derivation that was built, while others may still be."""
        with self._lock:
            self._derivations.append(derivation)
            if self._thread is None:
                self._thread = threading.Thread(target=self._feed, name="flakeship-cache-feed", daemon=True)
                self._thread.start()
        self._news.set()

    def result(self, paths: Collection[str]) -> None:
        """Note what a whole build gave, and push it while the image is packed and sent."""
        with self._lock:
            self._results.extend(paths)
            self._begin_beside()

    def all_built(self) -> None:
        """Note that nothing more is to be built, for all that is known."""
        with self._lock:
            self._all_built = True
            self._begin_beside()

    def _begin_beside(self) -> None:
        """The caller holds the lock."""
        if self._beside is None and not self._ended.is_set():
            self._beside = threading.Thread(
                target=self._push_results, name="flakeship-cache-results", daemon=True
            )
            self._beside.start()

    # docs/decisions.md#a-cache-is-written-beside-the-push
    def _push_results(self) -> None:
        settles = False
        if self._derivations and not self._taker.stopped:
            self._taker.be_ready()
        while not self._ended.is_set():
            self._look(results=True)
            while not self._ended.is_set() and (info := self._next()):
                self._push(info)
            with self._lock:
                if not (self._results or self._derivations or self._left or self._busy):
                    self._beside = None
                    settles, self._all_built = self._all_built, False
                    break
            time.sleep(_LOOK_SECONDS)  # the other thread has the last path in hand
        else:
            return
        if settles:
            self._settle()

    def _feed(self) -> None:
        # Linux counts the niceness of each thread by itself
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._ended.is_set():
            self._news.wait()
            if self._ended.wait(_GATHER_SECONDS):
                return
            self._news.clear()
            self._look(results=False)
            while not self._ended.is_set() and (info := self._next()):
                self._push(info)

    def _look(self, *, results: bool) -> None:
        """Find out what of the news is to be pushed. One thread does at a time, so that Nix is asked once for each."""
        with self._looking:
            with self._lock:
                derivations, self._derivations = self._derivations, []
                wanted: list[str] = []
                if results:
                    wanted, self._results = self._results, []
            if not derivations and not wanted:
                return
            try:
                found = list(self._choose(derivations, wanted))
            except Error as error:
                self._warn(
                    "nix", f"what this run built is not kept in the cache: {error.message}", error.hint
                )
                return
            with self._lock:
                self._left.extend(info for info in found if info.path not in self._seen)
                self._seen.update(info.path for info in found)

    def _next(self) -> PathInfo | None:
        with self._lock:
            self._busy += bool(self._left)
            return self._left.pop(0) if self._left else None

    def _push(self, info: PathInfo) -> None:
        try:
            if self._taker.stopped:
                return
            self._taker.add(info, nar_pieces(info.path))
        except ValueError as error:
            self._warn(
                "damaged",
                f"a path is not kept in the cache: {error}",
                "run `nix-store --verify --check-contents --repair`",
            )
        except OSError as error:
            self._warn("unread", f"{info.path} is not kept in the cache: {error}", "check the store of Nix")
        finally:
            with self._lock:
                self._busy -= 1

    def drain(self, seconds: float, *, look: bool) -> None:
        """Push what is left, within so many seconds; without `look` only what is known already.

        Called again, after a signal, it ends what the first call began by the new deadline.
        """
        deadline = self._deadline = time.monotonic() + seconds
        self._ended.set()
        self._news.set()
        if look:
            self._look(results=True)
        with self._lock:
            threads = [each for each in (self._thread, self._beside) if each]
        while self._left or self._busy or any(each.is_alive() for each in threads):
            self._push_together(deadline)
            for each in threads:  # it may have found more until now
                each.join(max(0.0, deadline - time.monotonic()))
            if self._busy and not self._left:
                time.sleep(_LOOK_SECONDS)
            if time.monotonic() >= deadline:
                return

    def _push_together(self, deadline: float) -> None:
        """Push what is known, by several threads."""
        count = min(os.cpu_count() or 1, _AT_ONCE, max(1, len(self._left)))
        pool = ThreadPoolExecutor(count, "flakeship-cache-drain")

        def push_all() -> None:
            while time.monotonic() < self._deadline and (info := self._next()):
                self._push(info)

        try:
            for each in [pool.submit(push_all) for _ in range(count)]:
                with contextlib.suppress(TimeoutError):
                    each.result(max(0.0, deadline - time.monotonic()))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _warn(self, kind: str, text: str, hint: str) -> None:
        with self._lock:
            first = kind not in self._told
            self._told.add(kind)
        if first:
            self._emit(events.Warned(text, hint=hint))
