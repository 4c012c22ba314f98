"""The cache of a run in a registry or a folder: roots, read as one cache, and one of them written."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from flakeship.caches.keeper import Pushed, Taker
from flakeship.caches.nar_entry import NarEntry, PathInfo
from flakeship.caches.packs.layout import LayoutRepository
from flakeship.caches.packs.reader import open_cache
from flakeship.caches.packs.registry import RegistryRepository
from flakeship.caches.packs.repository import Repository
from flakeship.caches.packs.root import Root
from flakeship.caches.packs.writer import PackWriter
from flakeship.caches.place import LayoutPlace, RegistryPlace
from flakeship.caches.plan import CachePart, CacheTools, KeptResults, OwnNars
from flakeship.caches.soundness import is_nar_of, says_the_same
from flakeship.errors import Error
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import DeniedError
from flakeship.registry.reference import Reference

_PATIENCE: Final = 8.0
"""Seconds for the roots: a cache that is down must not cost a run more than ten."""


class PackKeeper:
    """A `Keeper` whose own root is that of the run's ref. What the roots of other refs hold is read as well, and not written again."""

    def __init__(self, kept: KeptResults, tools: CacheTools, *, system: str) -> None:
        own = Root(kept.ref, system, kept.attributes)
        others = [Root(ref, system, kept.attributes) for ref in kept.other_refs]
        keys = [kept.key.public] if kept.key else []
        self._place, self._tools, self._image = kept.cache.place, tools, kept.image
        repository = _repository(kept, tools)
        self._named = {root.tag for root in (own, *others)}
        self._reader = open_cache(
            repository, own, *others, folder=tools.folder, emit=tools.emit, keys=keys, patience=_PATIENCE
        )
        there = len(self._reader) > 0
        self.part = CachePart(
            own=OwnNars(self._reader, signed=bool(keys)) if there else None,
            public_keys=tuple(map(str, keys)) if there else (),
        )
        self._writer = None
        if not kept.read_only and not self._reader.unreachable:
            self._writer = PackWriter(
                repository,
                own.tag,
                folder=tools.folder,
                emit=tools.emit,
                limits=kept.cache.limits,
                key=kept.key,
                source=kept.source,
                is_damaged=lambda: bool(self._reader.damaged or self._reader.gone),
            )

    @property
    def name(self) -> str:
        """How messages call it."""
        return self._reader.name

    @property
    def taker(self) -> Taker | None:
        """Return what packs new paths."""
        return self._writer

    def held(self, hash_parts: Collection[str]) -> Collection[str]:
        """Return the paths that a root has which the next run with these attributes reads: its own, or one of the refs that are named."""
        named = [root.index.held for root in self._reader.roots if root.tag in self._named]
        return [part for part in hash_parts if part in self._reader and any(part in held for held in named)]

    def is_sound(self, info: PathInfo, *, copied: bool) -> bool:
        """Compare what its index says with what Nix says, and where Nix could not copy the path its NAR with its hash."""
        entry = self._reader.entry(info.hash_part)
        sound = entry is not None and says_the_same(entry, info) and not (copied and self._is_another(entry))
        if entry and not sound:
            self._reader.damaged.add(info.hash_part)
        return sound

    def _is_another(self, entry: NarEntry) -> bool:
        """Tell whether the NAR of a path is not the one that its index states, although its frame is."""
        opened = self._reader.open(entry)
        if opened is None:
            return self._reader.has_lost(entry.hash_part)
        with opened as frame:
            return not is_nar_of(entry, frame)

    def has_lost(self, hash_part: str) -> bool:
        """Tell whether it was there, and could not be read."""
        return self._reader.has_lost(hash_part)

    def is_public(self) -> bool:
        """Ask the registry without a password."""
        if not isinstance(self._place, RegistryPlace):
            return False
        reference = self._place.reference or self._place.beside(Reference.parse(self._image))
        client = RegistryClient(
            self._tools.transport, reference.registry, reference.repository, None, actions="pull"
        )
        try:
            client.tags()
        except DeniedError:
            return False
        except Error:
            return True
        return True

    hint_if_public = (
        "make the package of the cache private, or name another one by `nix-cache: docker://REFERENCE`"
    )

    def finish(self, seconds: float) -> Pushed | None:
        """Write the index, if anything is new, or what was used would soon be forgotten."""
        if self._writer is None:
            return None
        written = self._writer.finish(
            seconds,
            used=self._reader.used,
            damaged=self._reader.damaged,
            gone=self._reader.gone,
            roots=self._reader.roots,
        )
        return Pushed(written.paths, written.size) if written and written.paths else None

    def close(self) -> None:
        """Remove what was fetched."""
        self._reader.close()


def _repository(kept: KeptResults, tools: CacheTools) -> Repository:
    place = kept.cache.place
    if isinstance(place, LayoutPlace):
        return LayoutRepository(place.folder, emit=tools.emit)
    assert isinstance(place, RegistryPlace), "the other kind is no place for packs"
    reference = place.reference or place.beside(Reference.parse(kept.image))
    actions = "pull" if kept.read_only else "pull,push"
    return RegistryRepository(tools.client(reference, actions=actions), emit=tools.emit)
