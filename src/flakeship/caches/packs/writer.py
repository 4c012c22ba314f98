"""What a run adds to its root: packs go out while it builds, and at its end the index that names them, if it adds anything."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flakeship import events
from flakeship.caches.nar_entry import NarEntry, PathInfo
from flakeship.caches.packs.index import Index, index_of
from flakeship.caches.packs.not_kept import LATE, hint_for, told
from flakeship.caches.packs.outgoing import Outgoing
from flakeship.caches.packs.pack import CompressedNar, compressed
from flakeship.caches.packs.repository import Repository, StoredRoot, time_for
from flakeship.caches.packs.root_writer import Merging, RootWriter
from flakeship.caches.packs.silence import Silence, Wait
from flakeship.caches.place import Limits
from flakeship.errors import Error, ResourceError
from flakeship.image.model import Digest
from flakeship.printable import counted

if TYPE_CHECKING:  # most caches have no key
    from flakeship.caches.packs.signing import SecretKey

_AT_ONCE: Final = 4
"""Questions at the end of a run: for a pack and for its index whether they are there, and for a session."""

PATIENCE: Final = 7.0
"""Seconds in which no byte is taken, after which the place is taken for dead, or sooner where the run has waited for it before."""

_LOOK: Final = 0.5
_LEFT_FOR_INDEX: Final = 1.0
"""Seconds at the end in which no pack is begun: a signal leaves five."""


@dataclass(frozen=True, slots=True)
class Written:
    """What `finish` wrote: the paths and the bytes that are new, and those of the whole root."""

    paths: int
    size: int
    all_paths: int
    all_size: int


class PackWriter:
    """Adds paths to the root `tag`. Its methods may be called by several threads, and raise no Error but WrongNarError.

    `now` are the seconds since 1970. A `key` signs each path that is added. `source` is the URL of the project. `is_damaged`
    tells whether a pack turned out to be: what is written anew then gets another digest, because a place that has a blob of
    the same digest keeps the damaged one.
    """

    def __init__(
        self,
        repository: Repository,
        tag: str,
        *,
        folder: Path,
        emit: events.Emit,
        limits: Limits,
        now: Callable[[], float] = time.time,
        key: SecretKey | None = None,
        source: str = "",
        is_damaged: Callable[[], bool] = lambda: False,
        silence: Silence | None = None,
    ) -> None:
        self._repository, self._tag, self._folder, self._emit = repository, tag, folder, emit
        self._limits, self._clock, self._key = limits, now, key
        self._silence = silence or Silence()
        self._lock = threading.Lock()
        self._outgoing = Outgoing(
            repository,
            folder,
            now=self._now,
            is_damaged=is_damaged,
            is_stopped=lambda: self._stopped is not None,
            failed=lambda error: self._stop(told(error, folder)),
        )
        self._finishing = threading.Lock()
        self._stored: StoredRoot | None = None
        """The root as we wrote it."""
        self._written: Written | None = None
        self._known: frozenset[str] = frozenset()
        """The hash parts of ours that it names."""
        self._root = RootWriter(repository, tag, limits=limits, source=source)
        self._stopped: Error | None = None
        self._gave_up = False
        self._closing = math.inf
        """When the run began to wait for us, by the monotonic clock."""

    @property
    def stopped(self) -> Error | None:
        """Why nothing more is taken; None as long as something is."""
        return self._stopped

    def __contains__(self, hash_part: str) -> bool:
        """Tell whether a path was added."""
        return hash_part in self._outgoing.added

    def be_ready(self) -> None:
        """Note that paths will come: at the end a pack and its index are asked for, and get sessions, all at once."""
        self._repository.be_asked(_AT_ONCE)

    def add(self, info: PathInfo, nar: Iterable[bytes]) -> NarEntry | None:
        """Compress a path and put it into a pack; None, and nothing is read, once the cache takes no more.

        WrongNarError unless the NAR is the one that `info` tells of. Its signatures are kept, and ours is added.
        """
        if self._stopped or self._outgoing.closed or info.hash_part in self:
            return None
        try:
            if self._key:
                info = replace(info, sigs=tuple(dict.fromkeys((*info.sigs, self._key.signature(info)))))
            with compressed(info, nar, folder=self._folder) as packed:
                self.put(packed)
                return packed.entry
        except OSError as error:
            self._stop(told(error, self._folder))
            return None

    def put(self, nar: CompressedNar, *, used: int | None = None) -> None:
        """Put a NAR into a pack as it is, as one that was used at that time, in place of now. OSError where the disk is full."""
        self._outgoing.put(nar, used=used)

    def _now(self) -> float:
        return time_for(self._repository, self._clock())

    def finish(
        self,
        seconds: float,
        *,
        used: Collection[str] = (),
        damaged: Collection[str] = (),
        gone: Collection[Digest] = (),
        roots: Iterable[StoredRoot] | None = None,
        anyway: bool = False,
        closes: bool = True,
    ) -> Written | None:
        """Send what is left, and write the index; None if there was nothing new, or if it could not be written in time.

        `used` are the hash parts of what was served from `roots`, which is None if nobody has read them, `damaged` and `gone`
        what turned out to be lost. Within `seconds` it ends, or when nothing has moved for some: what was there before then
        stays as it was. With `anyway` it is written without anything new, and only in place of the root that is among `roots`:
        ChangedError is why it `stopped` if that is another one by now. Unless it `closes`, nobody waits for it, and more can
        be added, which is written when it is called again.
        """
        deadline = time.monotonic() + seconds
        if closes:
            self.be_awaited()
        if self._finishing.acquire(timeout=max(0.0, seconds)):
            try:
                stored = self._stored or next((root for root in roots or () if root.tag == self._tag), None)
                merging = Merging(used, set(damaged), set(gone), int(self._now()), roots is not None)
                self._finish(deadline, merging, stored, anyway=anyway)
            finally:
                self._finishing.release()
        else:  # one that began beside the push is still under way
            self._give_up("its index was not written in time")
        if closes:
            self.close()
        return self._written

    def be_awaited(self) -> None:
        """Note that the run has nothing else to do any more, so that it waits for us."""
        self._closing = min(self._closing, time.monotonic())

    def _finish(self, deadline: float, merging: Merging, stored: StoredRoot | None, *, anyway: bool) -> None:
        outgoing = self._outgoing
        if self._gave_up:
            return
        try:
            if not self._stopped:
                outgoing.send()
        except OSError as error:
            self._stop(told(error, self._folder))
        coming = outgoing.coming()
        if coming and not self._stopped and (merging.was_read or stored):
            self._root.send_ahead(coming, merging, stored, beside=outgoing.beside)
        self._wait_for(outgoing.uploads, deadline - _LEFT_FOR_INDEX)
        late = [each for each in outgoing.uploads if not each.done()]
        for each in late:
            each.cancel()
        own = outgoing.sent()
        worn = self._worn(stored.index if stored else Index(), merging.used)
        held = stored.index.held if stored else {}
        lost = any(part in merging.damaged or line.pack in merging.gone for part, line in held.items())
        mends = stored is not None and self._repository.is_damaged
        new = own.held.keys() - self._known
        if new or ((worn or lost or mends or anyway) and not self._stopped):
            self._in_time(deadline, lambda: self._write(own, merging, stored, alone=anyway))
        if late:
            self._give_up(f"{counted(len(late), 'pack')} could not be sent in time")

    def close(self) -> None:
        """Take nothing more, and wait for nothing."""
        self._outgoing.close()

    def _worn(self, index: Index, used: Collection[str]) -> bool:
        """Tell whether something that was used would be forgotten soon, although it is used each day."""
        half = self._now() - self._limits.days * 43200
        return any(index.held[part].used < half for part in used if part in index.held)

    def _wait_for(self, asked: Sequence[Future[Any]], deadline: float) -> None:
        """Wait until all are done, or the deadline has passed, or nothing moves any more while the run waits."""
        last = begun = time.monotonic()
        left = [each for each in asked if not each.done()]
        waits: Wait | None = None
        while left and (now := time.monotonic()) < deadline:
            if self._closing <= now:
                waits = waits or Wait(self._silence, max(begun, self._closing))
                silent = waits.silent(min(now, max(last, self._repository.moved)), now)
                if silent >= min(PATIENCE, self._silence.left):
                    waits.give_up(now)
                    break
            wait(left, min(_LOOK, deadline - now), return_when=FIRST_COMPLETED)
            still = [each for each in left if not each.done()]
            last = time.monotonic() if len(still) < len(left) else last
            left = still

    def _in_time(self, deadline: float, action: Callable[[], None]) -> None:
        """Do this in a thread that nobody waits for any longer than until `deadline`."""
        done: Future[None] = Future()

        def do() -> None:
            try:
                action()
                done.set_result(None)
            except Exception as error:  # noqa: BLE001 - whoever waits for this upload reports it
                done.set_exception(error)

        threading.Thread(target=do, name="flakeship-cache-index", daemon=True).start()
        self._wait_for([done], deadline)
        try:
            done.result(0)
        except TimeoutError:
            self._give_up("its index was not written in time")
        except Exception as error:  # noqa: BLE001 - a cache never breaks a build
            self._stop(told(error, self._folder))

    def _write(self, own: Index, merging: Merging, known: StoredRoot | None, *, alone: bool) -> None:
        stored, own = self._root.write(own, merging, known, alone=alone)
        whole = stored.index
        kept = index_of((own.held[part] for part in own.held.keys() & whole.held.keys()), own.packs)
        self._tell_too_large(len(own.held) - len(kept.held))
        self._stored, self._known = stored, frozenset(own.held)
        self._written = Written(len(kept.held), kept.size, len(whole.held), whole.size)

    def _tell_too_large(self, count: int) -> None:
        if count:
            self._emit(
                events.Warned(
                    f"{counted(count, 'new path')} can't be kept in the cache {self._repository.name}: "
                    f"its size is limited to {_written(self._limits.size)}",
                    hint="give it more room, as by `nix-cache: PLACE?size=5G`",
                )
            )

    def _give_up(self, why: str) -> None:
        """Leave what is under way: the place is too slow, or dead."""
        self._gave_up = True
        self._stop(ResourceError(why, hint=LATE))
        with contextlib.suppress(Error):
            self._repository.end()

    def _stop(self, error: Error) -> None:
        with self._lock:
            first, self._stopped = not self._stopped, self._stopped or error
        if first:
            self._emit(
                events.Warned(
                    f"not all of this build is kept in the cache {self._repository.name}: {error.message}",
                    hint=hint_for(error),
                )
            )


def _written(size: int) -> str:
    for unit, name in ((10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.6g} {name}"
    return counted(size, "byte")
