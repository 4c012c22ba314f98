"""The cache of a run in a registry or a folder: roots, read as one cache, and one of them written."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from flakeship.caches.keeper import Pushed, Taker
from flakeship.caches.nar_entry import NarEntry, PathInfo
from flakeship.caches.packs.answers import answers_within
from flakeship.caches.packs.coming import ComingCache
from flakeship.caches.packs.reader import PackCache, open_cache
from flakeship.caches.packs.repository import Repository
from flakeship.caches.packs.root import Root
from flakeship.caches.packs.silence import Silence
from flakeship.caches.packs.writer import PackWriter, Written
from flakeship.caches.place import LayoutPlace, RegistryPlace
from flakeship.caches.plan import CachePart, CacheTools, KeptResults, OwnNars
from flakeship.caches.soundness import is_nar_of, says_the_same
from flakeship.events import Event
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import DeniedError
from flakeship.registry.reference import Reference

_PATIENCE: Final = 8.0
"""Seconds for the roots: a cache that is down must not cost a run more than ten."""

_BESIDE: Final = 300.0
"""Seconds for an index that is written beside the push; a run that ends before does not wait so long."""


class PackKeeper:
    """A `Keeper` whose own root is that of the run's ref. What the roots of other refs hold is read as well, and not written again."""

    def __init__(self, kept: KeptResults, tools: CacheTools, *, system: str) -> None:
        own = Root(kept.ref, system, kept.attributes)
        others = [Root(ref, system, kept.attributes) for ref in kept.other_refs]
        keys = [kept.key.public] if kept.key else []
        self._place, self._tools, self._image = kept.cache.place, tools, kept.image
        repository = _repository(kept, tools)
        self._closed = False
        silence = Silence()
        self._named = {root.tag for root in (own, *others)}
        self._reader = ComingCache(
            f"the cache {repository.name}",
            lambda: open_cache(
                repository,
                own,
                *others,
                folder=tools.folder,
                emit=self._tell,
                keys=keys,
                patience=_PATIENCE,
                silence=silence,
            ),
            waited=silence.note,
        )
        # a folder is read at once, and of a registry nobody waits to know
        there = not isinstance(self._place, LayoutPlace) or len(self._reader) > 0
        self.part = CachePart(
            own=OwnNars(self._reader, signed=bool(keys), has_paths=lambda: len(self._reader) > 0)
            if there
            else None,
            public_keys=tuple(map(str, keys)) if there else (),
        )
        self._writer = None
        if not kept.read_only:
            self._writer = PackWriter(
                repository,
                own.tag,
                folder=tools.folder,
                emit=tools.emit,
                limits=kept.cache.limits,
                key=kept.key,
                source=kept.source,
                is_damaged=self._is_damaged,
                silence=silence,
            )

    def _is_damaged(self) -> bool:
        reader = self._reader.come()
        return bool(reader.damaged or reader.gone)

    @property
    def name(self) -> str:
        """How messages call it."""
        return self._reader.name

    @property
    def taker(self) -> Taker | None:
        """Return what packs new paths."""
        return self._writer

    def takes(self) -> bool:
        """Tell whether anything can be written: not where the roots could not even be read."""
        return self._writer is not None and not self._writer.stopped and not self._reader.come().unreachable

    def held(self, hash_parts: Collection[str]) -> Collection[str]:
        """Return the paths that a root has which the next run with these attributes reads: its own, or one of the refs that are named."""
        reader = self._reader.come()
        named = [root.index.held for root in reader.roots if root.tag in self._named]
        return [part for part in hash_parts if part in reader and any(part in held for held in named)]

    def is_sound(self, info: PathInfo, *, copied: bool) -> bool:
        """Compare what its index says with what Nix says, and where Nix could not copy the path its NAR with its hash.

        What Nix could not copy is not kept as another build of the path either: its NAR may be one that no Nix takes.
        """
        reader = self._reader.come()
        entry = reader.entry(info.hash_part)
        sound = entry is not None and says_the_same(entry, info)
        if entry and sound and copied:
            sound = entry.nar_hash == info.nar_hash and not _is_another(entry, reader)
        if entry and not sound:
            reader.damaged.add(info.hash_part)
        return sound

    def has_lost(self, hash_part: str) -> bool:
        """Tell whether it was there, and could not be read."""
        reader = self._reader.come_already()  # what has not come has not been read
        return reader is not None and reader.has_lost(hash_part)

    def is_public(self) -> bool:
        """Ask the registry without a password."""
        if not isinstance(self._place, RegistryPlace):
            return False
        reference = self._place.reference or self._place.beside(Reference.parse(self._image))
        client = RegistryClient(
            self._tools.transport, reference.registry, reference.repository, None, actions="pull"
        )
        answer = answers_within(_PATIENCE, {"": client.tags})[""]
        return not isinstance(answer, DeniedError)

    hint_if_public = (
        "make the package of the cache private, or name another one by `nix-cache: docker://REFERENCE`"
    )

    def be_awaited(self) -> None:
        """Note that the run waits for it from now on."""
        if self._writer:
            self._writer.be_awaited()

    def settle(self) -> None:
        """Write the index while the image is pushed."""
        self._write(_BESIDE, closes=False)

    def finish(self, seconds: float) -> Pushed | None:
        """Write the index, if anything is new, or what was used would soon be forgotten."""
        written = self._write(seconds, closes=True)
        return Pushed(written.paths, written.size) if written and written.paths else None

    def _write(self, seconds: float, *, closes: bool) -> Written | None:
        if self._writer is None:
            return None
        reader = self._reader.come_already()
        if reader is None or reader.unreachable:  # then nothing was taken either
            if closes:
                self._writer.close()
            return None
        return self._writer.finish(
            seconds,
            used=frozenset(reader.used),
            damaged=reader.damaged,
            gone=reader.gone,
            roots=reader.roots,
            closes=closes,
        )

    def close(self) -> None:
        """Remove what was fetched."""
        self._closed = True
        self._reader.close()

    def _tell(self, event: Event) -> None:
        """Say it, but not of roots that come, or do not, when the run is over."""
        if not self._closed:
            self._tools.emit(event)


def _is_another(entry: NarEntry, reader: PackCache) -> bool:
    """Tell whether the NAR of a path is not the one that its index states, although its frame is."""
    opened = reader.open(entry)
    if opened is None:
        return reader.has_lost(entry.hash_part)
    with opened as frame:
        return not is_nar_of(entry, frame)


def _repository(kept: KeptResults, tools: CacheTools) -> Repository:
    place = kept.cache.place
    if isinstance(place, LayoutPlace):
        from flakeship.caches.packs.layout import LayoutRepository

        return LayoutRepository(place.folder, emit=tools.emit)
    from flakeship.caches.packs.registry import RegistryRepository

    assert isinstance(place, RegistryPlace), "the other kind is no place for packs"
    reference = place.reference or place.beside(Reference.parse(kept.image))
    actions = "pull" if kept.read_only else "pull,push"
    return RegistryRepository(tools.client(reference, actions=actions), emit=tools.emit)
