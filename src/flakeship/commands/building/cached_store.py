"""What lies in the caches of a run, as a store that images are read from: nothing of it is realised here.

What this machine has already is read from its own store.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.caches.nar_entry import sri
from flakeship.caches.told import Told
from flakeship.errors import BuildError, Error
from flakeship.image.model import SourceGoneError
from flakeship.image.nar.writer import nar_pieces
from flakeship.image.stream import Joined, Pieces, Reader
from flakeship.image.workers import workers
from flakeship.nix.closure import PathInfo, closure, closure_of_all, in_order
from flakeship.nix.command import Nix
from flakeship.sources.nar_files import NarFiles

if TYPE_CHECKING:
    from flakeship.caches.substitutes import Substitute, Substitutes

_FOLDER: Final = "cached"
_SMALL: Final = 512 * 1024
"""Bytes of a NAR that is fetched before it is its turn: there, round trips cost more than bytes."""

_AHEAD: Final = 8
"""NARs that are on their way at a time, for one layer."""


# docs/decisions.md#what-caches-have-needs-no-store
@dataclass(kw_only=True)
class CachedStore:
    """`roots` are the results that were left in the caches. `folder` is private, and outlives the run's images.

    SourceGoneError from whatever reads, where a cache does not give what it has stated.
    """

    nix: Nix
    substitutes: Callable[[], Substitutes]
    folder: Path
    emit: events.Emit
    heard: events.Emit | None
    """Counts what came from which cache, and reports it at the end; None if nobody else does that."""
    roots: set[str] = field(default_factory=set, init=False)
    given_up: bool = field(default=False, init=False)
    files: NarFiles = field(init=False)
    _infos: dict[str, PathInfo] = field(default_factory=dict, init=False, repr=False)
    _cached: dict[str, Substitute] = field(default_factory=dict, init=False, repr=False)
    _read: set[str] = field(default_factory=set, init=False, repr=False)
    _told: Told = field(default_factory=Told, init=False, repr=False)
    _opened: Substitutes | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.files = NarFiles(
            self._nars, self._infos.__contains__, self.folder / _FOLDER, damaged=self._damaged
        )

    def take(self, paths: Sequence[str]) -> bool:
        """Take these results if the caches have them, and everything they need that is not here; else return False."""
        if self.given_up:
            return False
        if self._opened is None:
            self._opened = self.substitutes()
        here: set[str] = set()

        def is_known(path: str) -> bool:
            if path not in self._cached and os.path.lexists(path):
                here.add(path)
            return path in here or path in self._cached

        found = self._opened.closure(paths, is_known)
        if found is None or here >= set(paths):
            return False
        try:
            local = closure_of_all(self.nix, sorted(here)) if here else ()
            infos = self._infos | {path: _info(substitute) for path, substitute in found.items()}
            infos |= {info.path: info for info in local}
            in_order(infos.values())
        except BuildError:  # the remains of a path that is not valid, or references in a circle: Nix knows what to do with them
            return False
        self._infos |= infos
        self._cached |= found
        for info in local:
            self._cached.pop(info.path, None)
        self.roots |= set(paths)
        for substitute in found.values():
            substitute.source.used(substitute.info.hash_part)
        return True

    def closure(self, root: str) -> tuple[PathInfo, ...]:
        """Return `root` and all that it needs at run time, in the order of `nix.closure`. BuildError as there."""
        if root not in self._infos:  # it was built here, and lies beside what was not
            self._infos |= {each.path: each for each in closure(self.nix, root)}
        found: dict[str, PathInfo] = {}
        waiting = [root]
        while waiting:
            info = self._infos[waiting.pop()]
            if info.path not in found:
                found[info.path] = info
                waiting += info.references
        return in_order(found.values())

    @property
    def infos(self) -> Mapping[str, PathInfo]:
        """What was told of all paths whose closures were asked for so far."""
        return self._infos

    @property
    def sizes(self) -> Mapping[str, int]:
        """The sizes of NARs in bytes, of all that the results need."""
        return {path: info.nar_size for path, info in self._infos.items()}

    def here(self, roots: Sequence[str]) -> list[str]:
        """Of all that these need, the paths that lie in the store of this machine, which must stay there."""
        needed = {each.path for root in roots for each in self.closure(root)}
        return sorted(needed - self._cached.keys())

    def chain(self, root: str, path: str) -> tuple[str, ...] | None:
        """Return the shortest chain of references, as `nix.why_depends` does; None where Nix knows better.

        Asked for what is not in its store, Nix would realise it.
        """
        if root not in self._infos or self.given_up:
            return None
        before = {root: ""}
        waiting = deque([root])
        while waiting and path not in before:
            each = waiting.popleft()
            for reference in self._infos[each].references:
                if reference not in before:
                    before[reference] = each
                    waiting.append(reference)
        chain = [path] if path in before else []
        while chain and before[chain[-1]]:
            chain.append(before[chain[-1]])
        return tuple(reversed(chain))

    def give_up(self) -> None:
        """Forget all: Nix realises it."""
        self.given_up = True
        self.roots.clear()

    def tell(self) -> None:
        """Say what came from where. Nothing is read any more."""
        if self.roots and (known := len(self._cached.keys() - self._read)):
            self._hear(events.PathsKnown(known))
        if self.heard is None and (self.roots or self._read):
            self.emit(events.CachesTold(f"Nix: {self._told.line()}"))

    def _hear(self, event: events.Event) -> None:
        (self.heard or self._told)(event)

    def _nars(self, paths: Sequence[str]) -> Generator[Reader, None, None]:
        """Yield the NARs, small ones of which are fetched a few ahead."""
        small = [path for path in paths if path in self._cached and self._infos[path].nar_size <= _SMALL]
        if len(small) < 2:
            for path in paths:
                with self._nar(path) as nar:
                    yield nar
            return
        with workers("fetch", _AHEAD) as pool:
            coming = _Coming(small, self._whole, pool)
            for path in paths:
                with coming.take(path) if path in coming else self._nar(path) as nar:
                    yield nar

    def _damaged(self, path: str, error: Error) -> SourceGoneError:
        cached = self._cached.get(path)
        if cached:
            return cached.source.damaged(cached.info, error.message)
        return SourceGoneError(f"{path} can't be read from the store of this machine: {error.message}")

    def _whole(self, path: str) -> bytes:
        with self._nar(path) as nar:
            return b"".join(iter(lambda: nar.read(_SMALL), b""))

    @contextlib.contextmanager
    def _nar(self, path: str) -> Iterator[Reader]:
        cached = self._cached.get(path)
        if cached is None:
            yield Joined(_of_store(path))
            return
        with cached.opened() as nar:
            if path not in self._read:
                self._read.add(path)
                self._hear(events.PathSubstituted(path, cached.source.name))
            yield nar


class _Coming:
    """NARs on their way, in the order in which they are taken."""

    def __init__(self, paths: Sequence[str], fetch: Callable[[str], bytes], pool: Executor) -> None:
        self._left = deque(paths)
        self._fetch, self._pool = fetch, pool
        self._coming: dict[str, Future[bytes]] = {}
        self._all = frozenset(paths)

    def __contains__(self, path: str) -> bool:
        return path in self._all

    @contextlib.contextmanager
    def take(self, path: str) -> Iterator[Reader]:
        """Yield the next, and let others set out. SourceGoneError where it does not come."""
        while self._left and len(self._coming) < _AHEAD:
            self._coming[self._left[0]] = self._pool.submit(self._fetch, self._left.popleft())
        yield BytesIO(self._coming.pop(path).result())


def _info(substitute: Substitute) -> PathInfo:
    info = substitute.info
    return PathInfo(info.path, sri(info.nar_hash), info.nar_size, substitute.references, info.deriver)


def _of_store(path: str) -> Pieces:
    try:
        yield from nar_pieces(path)
    except OSError as error:
        raise SourceGoneError(f"{path} can't be read from the store of this machine") from error
