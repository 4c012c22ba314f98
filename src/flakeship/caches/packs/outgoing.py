"""The packs of a run on their way: each is closed when it is full, or when the run ends, and sent by a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from flakeship.caches.packs.index import Held, Index, index_of
from flakeship.caches.packs.pack import CompressedNar, Pack
from flakeship.caches.packs.repository import Repository
from flakeship.image.model import Digest

_UPLOADS: Final = 3
_SALT: Final = 16


class Outgoing:
    """Takes compressed NARs, and is safe for several threads. `failed` hears why a pack could not be sent, and `is_stopped` says that
    none is to be sent any more. `now` and `is_damaged` as `PackWriter` has them.
    """

    def __init__(
        self,
        repository: Repository,
        folder: Path,
        *,
        now: Callable[[], float],
        is_damaged: Callable[[], bool],
        is_stopped: Callable[[], bool],
        failed: Callable[[Exception], None],
    ) -> None:
        self._repository, self._folder, self._now = repository, folder, now
        self._is_damaged, self._is_stopped, self._failed = is_damaged, is_stopped, failed
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_UPLOADS, "flakeship-cache-push")
        self._pack: Pack | None = None
        self._new: dict[str, Held] = {}
        self._packs: dict[Digest, int] = {}
        self._sending: dict[Digest, Pack] = {}
        self._used: dict[str, int] = {}
        self._closed = False
        self.uploads: list[Future[None]] = []
        """All that were begun."""
        self.added: set[str] = set()
        """The hash parts of what was put into a pack."""

    @property
    def closed(self) -> bool:
        """True when nothing is taken any more."""
        return self._closed

    def put(self, nar: CompressedNar, *, used: int | None) -> None:
        """Put a NAR into a pack, as one that was used at that time, None for now. OSError where the disk is full."""
        with self._lock:
            part = nar.entry.hash_part
            if self._closed or part in self.added:
                return
            if self._pack and not self._pack.has_room(nar.entry.frame_size):
                self._send()
            self._pack = self._pack or Pack(self._folder)
            self._pack.add(nar)
            self.added.add(part)
            if used is not None:
                self._used[part] = used

    def send(self) -> None:
        """Begin to send the open pack. OSError where the disk is full."""
        with self._lock:
            self._send()

    def _send(self) -> None:
        if self._pack is None or not self._pack.size:
            return
        pack, self._pack = self._pack, None
        try:
            if self._is_damaged():
                pack.pad(os.urandom(_SALT))
            digest = pack.close()
        except BaseException:
            pack.remove()
            raise
        now = int(self._now())
        for entry, _ in pack.entries:
            self._used.setdefault(entry.hash_part, now)
        self._sending[digest] = pack
        self.uploads.append(self._pool.submit(self._sent, pack, digest))

    def _sent(self, pack: Pack, digest: Digest) -> None:
        try:
            if not self._is_stopped():
                self._repository.upload(digest, pack.size, lambda: pack.path.open("rb"))
                with self._lock:
                    self._packs[digest] = pack.size
                    self._new |= {line.entry.hash_part: line for line in self._lines(pack, digest)}
        except Exception as error:  # noqa: BLE001 - a cache never breaks a build
            self._failed(error)
        finally:
            with self._lock:
                self._sending.pop(digest, None)
            pack.remove()

    def _lines(self, pack: Pack, digest: Digest) -> Iterator[Held]:
        for entry, offset in pack.entries:
            yield Held(entry=entry, pack=digest, offset=offset, used=self._used[entry.hash_part])

    def sent(self) -> Index:
        """Return what has arrived."""
        with self._lock:
            return index_of(self._new.values(), self._packs)

    def coming(self) -> Index | None:
        """Return the same with what is under way, as if all of it arrived; None if nothing is."""
        with self._lock:
            if not self._sending:
                return None
            lines = [line for digest, pack in self._sending.items() for line in self._lines(pack, digest)]
            sizes = {digest: pack.size for digest, pack in self._sending.items()}
            return index_of([*self._new.values(), *lines], {**self._packs, **sizes})

    def beside(self, action: Callable[[], None]) -> Future[None]:
        """Do this in a thread of those that send packs."""
        return self._pool.submit(action)

    def close(self) -> None:
        """Take nothing more, and wait for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
            if self._pack:
                self._pack.remove()
                self._pack = None
