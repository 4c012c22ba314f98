"""What a run adds to its root: packs go out while it builds, and at its end the index that names them, if it adds anything."""

from __future__ import annotations

import contextlib
import io
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flakeship import events
from flakeship.caches.nar_entry import NarEntry, PathInfo
from flakeship.caches.packs.index import (
    Held,
    Index,
    aged,
    encode,
    index_of,
    merged,
    signed_anew,
    touched,
    without,
)
from flakeship.caches.packs.manifest import (
    CONFIG,
    MOST_PACKS,
    PATHS,
    ROOT,
    SOURCE,
    RootManifest,
    encode_manifest,
)
from flakeship.caches.packs.pack import Frame, Pack, compressed
from flakeship.caches.packs.repository import (
    ChangedError,
    GoneError,
    Repository,
    StoredRoot,
    read_root,
    time_for,
)
from flakeship.caches.packs.root import is_root
from flakeship.caches.place import Limits
from flakeship.errors import Error, NotAnImageError, ResourceError, UsageError, is_disk_full
from flakeship.image.model import Digest, digest_of
from flakeship.printable import counted

if TYPE_CHECKING:  # most caches have no key
    from flakeship.caches.packs.signing import SecretKey

_UPLOADS: Final = 3
_SALT: Final = 16
_TRIES: Final = 3
PATIENCE: Final = 7.0
"""Seconds in which no byte is taken, after which the place is taken for dead."""

_LEFT_FOR_INDEX: Final = 1.0
"""Seconds at the end in which no pack is begun: a signal leaves five."""


_LATE: Final = "leave it: the next run sends what this one could not"


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
    ) -> None:
        self._repository, self._tag, self._folder, self._emit = repository, tag, folder, emit
        self._limits, self._clock, self._key, self._source = limits, now, key, source
        self._is_damaged = is_damaged
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_UPLOADS, "flakeship-cache-push")
        self._pack: Pack | None = None
        self._uploads: list[Future[None]] = []
        self._new: dict[str, Held] = {}
        self._packs: dict[Digest, int] = {}
        self._added: set[str] = set()
        self._used: dict[str, int] = {}
        self._stopped: Error | None = None
        self._closed = False

    @property
    def stopped(self) -> Error | None:
        """Why nothing more is taken; None as long as something is."""
        return self._stopped

    def __contains__(self, hash_part: str) -> bool:
        """Tell whether a path was added."""
        return hash_part in self._added

    def add(self, info: PathInfo, nar: Iterable[bytes]) -> NarEntry | None:
        """Compress a path and put it into a pack; None, and nothing is read, once the cache takes no more.

        WrongNarError unless the NAR is the one that `info` tells of. Its signatures are kept, and ours is added.
        """
        if self._stopped or self._closed or info.hash_part in self._added:
            return None
        try:
            if self._key:
                info = replace(info, sigs=tuple(dict.fromkeys((*info.sigs, self._key.signature(info)))))
            with compressed(info, nar, folder=self._folder) as frame:
                self.put(frame)
                return frame.entry
        except OSError as error:
            self._stop(_told(error, self._folder))
            return None

    def put(self, frame: Frame, *, used: int | None = None) -> None:
        """Put a frame into a pack as it is, as one that was used at that time, in place of now. OSError where the disk is full."""
        with self._lock:
            if self._closed or frame.entry.hash_part in self._added:
                return
            if self._pack and not self._pack.has_room(frame.entry.frame_size):
                self._send()
            self._pack = self._pack or Pack(self._folder)
            self._pack.add(frame)
            self._added.add(frame.entry.hash_part)
            if used is not None:
                self._used[frame.entry.hash_part] = used

    def _now(self) -> float:
        return time_for(self._repository, self._clock())

    def _send(self) -> None:
        """Begin to send the open pack. The caller holds the lock."""
        if self._pack and self._pack.size:
            pack, self._pack = self._pack, None
            self._uploads.append(self._pool.submit(self._sent, pack))

    def _sent(self, pack: Pack) -> None:
        try:
            if self._stopped:
                return
            if self._is_damaged():
                pack.pad(os.urandom(_SALT))
            digest = pack.close()
            self._repository.upload(digest, pack.size, lambda: pack.path.open("rb"))
            now = int(self._now())
            with self._lock:
                self._packs[digest] = pack.size
                for entry, offset in pack.entries:
                    part = entry.hash_part
                    used = self._used.get(part, now)
                    self._new[part] = Held(entry=entry, pack=digest, offset=offset, used=used)
        except Exception as error:  # noqa: BLE001 - a cache never breaks a build
            self._stop(_told(error, self._folder))
        finally:
            pack.remove()

    def finish(
        self,
        seconds: float,
        *,
        used: Collection[str] = (),
        damaged: Collection[str] = (),
        gone: Collection[Digest] = (),
        roots: Iterable[StoredRoot] = (),
        anyway: bool = False,
    ) -> Written | None:
        """Send what is left, and write the index; None if there was nothing new, or if it could not be written in time.

        `used` are the hash parts of what was served from `roots`, `damaged` and `gone` what turned out to be lost. Within
        `seconds` it ends: what was there before then stays as it was. With `anyway` it is written without anything new, and only
        in place of the root that is among `roots`: ChangedError is why it `stopped` if that is another one by now.
        """
        deadline = time.monotonic() + seconds
        with self._lock:
            if not self._stopped:
                self._send()
        self._wait_for(self._uploads, deadline - _LEFT_FOR_INDEX)
        late = [each for each in self._uploads if not each.done()]
        for each in late:
            each.cancel()
        with self._lock:
            own = index_of(self._new.values(), self._packs)
        stored = next((root for root in roots if root.tag == self._tag), None)
        worn = self._worn(stored.index if stored else Index(), used)
        held = stored.index.held if stored else {}
        lost = any(part in damaged or line.pack in gone for part, line in held.items())
        written: Written | None = None
        if own.held or ((worn or lost or anyway) and not self._stopped):
            written = self._in_time(
                deadline, lambda: self._write(own, used, set(damaged), set(gone), stored, alone=anyway)
            )
        if late:
            self._stop(ResourceError(f"{counted(len(late), 'pack')} could not be sent in time", hint=_LATE))
            with contextlib.suppress(Error):
                self._repository.end()
        self._close()
        return written

    def _close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
            if self._pack:
                self._pack.remove()
                self._pack = None

    def _worn(self, index: Index, used: Collection[str]) -> bool:
        """Tell whether something that was used would be forgotten soon, although it is used each day."""
        half = self._now() - self._limits.days * 43200
        return any(index.held[part].used < half for part in used if part in index.held)

    def _wait_for(self, asked: Sequence[Future[Any]], deadline: float) -> None:
        """Wait until all are done, or the deadline has passed, or nothing moves any more."""
        last = time.monotonic()
        left = [each for each in asked if not each.done()]
        while left and (now := time.monotonic()) < min(
            deadline, max(last, self._repository.moved) + PATIENCE
        ):
            wait(left, min(0.5, deadline - now), return_when=FIRST_COMPLETED)
            still = [each for each in left if not each.done()]
            last = time.monotonic() if len(still) < len(left) else last
            left = still

    def _in_time(self, deadline: float, action: Callable[[], Written]) -> Written | None:
        """Do this in a thread that nobody waits for any longer than until `deadline`."""
        done: Future[Written] = Future()

        def do() -> None:
            try:
                done.set_result(action())
            except Exception as error:  # noqa: BLE001 - whoever waits for this upload reports it
                done.set_exception(error)

        threading.Thread(target=do, name="flakeship-cache-index", daemon=True).start()
        self._wait_for([done], deadline)
        try:
            return done.result(0)
        except TimeoutError:
            self._stop(ResourceError("its index was not written in time", hint=_LATE))
        except Exception as error:  # noqa: BLE001 - a cache never breaks a build
            self._stop(_told(error, self._folder))
        return None

    # docs/decisions.md#a-root-is-merged-and-not-locked
    def _write(
        self,
        own: Index,
        used: Collection[str],
        damaged: set[str],
        gone: set[Digest],
        known: StoredRoot | None,
        *,
        alone: bool,
    ) -> Written:
        """Write the root. `known` is what it was when the run began, which mostly is what it is: `put` finds out."""
        for tried in range(_TRIES + bool(known)):
            whole, there = self._merged(own, used, damaged, gone, None if tried else known)
            if alone and known and there != known.digest:
                raise ChangedError(f"another run writes the root {self._tag}")
            manifest = self._manifest(whole, has_config=bool(known) and not tried)
            try:
                if not self._repository.put(self._tag, manifest, instead_of=there):
                    continue  # another run has written meanwhile
            except GoneError:
                gone |= self._missing(whole)
                own = without(own, packs=gone)
                continue
            if self._repository_digest() == digest_of(manifest):
                kept = index_of((own.held[part] for part in own.held.keys() & whole.held.keys()), own.packs)
                self._tell_too_large(len(own.held) - len(kept.held))
                return Written(len(kept.held), kept.size, len(whole.held), whole.size)
        raise ResourceError(
            "other runs write the same root again and again",
            hint="give runs that run at once other refs or attributes",
        )

    def _tell_too_large(self, count: int) -> None:
        if count:
            self._emit(
                events.Warned(
                    f"{counted(count, 'new path')} can't be kept in the cache {self._repository.name}: "
                    f"its size is limited to {_written(self._limits.size)}",
                    hint="give it more room, as by `nix-cache: PLACE?size=5G`",
                )
            )

    def _repository_digest(self) -> Digest | None:
        stored = self._repository.manifest(self._tag)
        return stored.digest if stored else None

    def _merged(
        self,
        own: Index,
        used: Collection[str],
        damaged: set[str],
        gone: set[Digest],
        known: StoredRoot | None,
    ) -> tuple[Index, Digest | None]:
        """Return what the root is to hold, and the digest of what it holds now. UsageError if that is no root of ours."""
        now = int(self._now())
        try:
            stored = known or read_root(self._repository, self._tag)
        except (NotAnImageError, GoneError):  # damaged: only what this run has can be kept
            there = self._repository.named(self._tag)
            other = Index()
        else:
            if stored is None:
                self._check_others()
            there = stored.digest if stored else None
            held = stored.index if stored else Index()
            dropped = damaged | signed_anew(held, own)
            other = without(held, parts=dropped, packs=gone)
        both = merged(touched(other, used, now=now), own)
        whole = aged(both, now=now, days=self._limits.days, size=self._limits.size, packs=MOST_PACKS)
        return whole, there

    def _check_others(self) -> None:
        """UsageError for a repository with tags that are no roots, before a first root is put beside them."""
        others = [tag for tag in self._repository.tags() if not is_root(tag)]
        if others:
            raise UsageError(
                f"{self._repository.name} holds other things than a cache, such as the tag {others[0]}",
                hint="name a repository for the cache alone by `nix-cache: docker://REFERENCE`",
            )

    def _missing(self, index: Index) -> set[Digest]:
        return {digest for digest, size in index.packs.items() if not self._repository.holds(digest, size)}

    def _manifest(self, index: Index, *, has_config: bool) -> bytes:
        """Send the index, and the config unless the repository has it with the root that is there; return the manifest."""
        data, packs = encode(index)
        annotations: Mapping[str, str] = {
            ROOT: self._tag,
            PATHS: str(len(index.held)),
            **({SOURCE: self._source} if self._source else {}),
        }
        manifest = RootManifest(
            (digest_of(data), len(data)),
            tuple((digest, index.packs[digest]) for digest in packs),
            annotations,
        )
        for content in (data,) if has_config else (data, CONFIG):
            self._repository.upload(digest_of(content), len(content), partial(io.BytesIO, content))
        return encode_manifest(manifest)

    def _stop(self, error: Error) -> None:
        with self._lock:
            first, self._stopped = not self._stopped, self._stopped or error
        if first:
            known = next((hint for pattern, hint in _HINTS if pattern.search(error.message)), "")
            self._emit(
                events.Warned(
                    f"not all of this build is kept in the cache {self._repository.name}: {error.message}",
                    hint=known
                    or error.hint
                    or error.usual_hint
                    or "run again later: what is missing is built again",
                )
            )


def _written(size: int) -> str:
    return f"{size / 1e6:.3g} MB" if size >= _MEGABYTE else counted(size, "byte")


_MEGABYTE: Final = 1_000_000
_FULL: Final = re.compile(r"quota|storage limit|insufficient storage|was answered 507", re.IGNORECASE)
"""How registries say that there is no room, most of them with 403: https://docs.gitlab.com/user/storage_usage_quotas/."""

_LESS: Final = (
    "free space in the registry, by `flakeship cache prune` too; keep less by a smaller `size` of `nix-cache`"
)

_IMMUTABLE: Final = re.compile(r"immutable|already exists|overwrit", re.IGNORECASE)
"""How registries say that a tag keeps what it names."""

_MUTABLE: Final = (
    "let tags of that repository be overwritten: a cache has one for each branch, which moves with each run"
)

_HINTS: Final = ((_FULL, _LESS), (_IMMUTABLE, _MUTABLE))


def _told(error: Exception, folder: Path) -> Error:
    """Return an error that can be told: of the folder for temporary files where it is the system's."""
    if isinstance(error, Error):
        return error
    if not isinstance(error, OSError):
        return ResourceError(f"{type(error).__name__}: {error}", hint=_LATE)
    why = "no space left" if is_disk_full(error) else error.strerror or str(error)
    return ResourceError(
        f"{why} in {folder}", hint="free some space, or set TMPDIR to a folder on a larger disk"
    )
