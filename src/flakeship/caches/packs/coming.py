"""A cache whose roots are still on their way: they are read beside what the run does meanwhile, which is to evaluate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from flakeship.caches.nar_entry import NarEntry
from flakeship.image.stream import Reader

if TYPE_CHECKING:
    from flakeship.caches.packs.reader import PackCache


# docs/decisions.md#roots-are-read-while-nix-evaluates
class ComingCache:
    """A `NarCache`. `read` reads it in a thread of its own, and raises no Error; whoever needs a path waits for that.

    `waited` is told from when to when somebody did, by the monotonic clock.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], PackCache],
        *,
        waited: Callable[[float, float], None] = lambda _, __: None,
    ) -> None:
        self.name, self._waited = name, waited
        self._answer: Future[PackCache] = Future()
        threading.Thread(target=self._read, args=(read,), name="flakeship-cache-roots", daemon=True).start()

    def _read(self, read: Callable[[], PackCache]) -> None:
        try:
            self._answer.set_result(read())
        except BaseException as error:  # noqa: BLE001 - it is raised by who waits
            self._answer.set_exception(error)

    def come(self) -> PackCache:
        """Wait until it has come, and return it."""
        if not self._answer.done():
            begun = time.monotonic()
            self._answer.exception()
            self._waited(begun, time.monotonic())
        return self._answer.result()

    def come_already(self) -> PackCache | None:
        """Return it if it has come. None otherwise: nobody has needed it so far."""
        return self._answer.result() if self._answer.done() else None

    def __len__(self) -> int:
        """Return the number of paths."""
        return len(self.come())

    def entry(self, hash_part: str) -> NarEntry | None:
        """Return the path with these 32 letters."""
        return self.come().entry(hash_part)

    def expect(self, hash_part: str) -> None:
        """Note that a path will be opened soon."""
        self.come().expect(hash_part)

    def open(self, entry: NarEntry) -> AbstractContextManager[Reader] | None:
        """Return the compressed NAR."""
        return self.come().open(entry)

    def lose(self, hash_part: str) -> None:
        """Note that a path is not what its index says."""
        self.come().lose(hash_part)

    @property
    def has_warned(self) -> bool:
        """Whether a warning has said what is wrong with it."""
        return self.come().has_warned

    def use(self, hash_part: str) -> None:
        """Note that a path was needed."""
        self.come().use(hash_part)

    def close(self) -> None:
        """Remove what was kept, also if it comes only now. Nothing is waited for."""
        self._answer.add_done_callback(_close)


def _close(answer: Future[PackCache]) -> None:
    if not answer.exception():
        answer.result().close()
