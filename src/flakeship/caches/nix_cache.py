"""The input `nix-cache`: read what earlier runs built, and keep what this one builds, in a registry or a folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.caches.place import LayoutPlace, RegistryPlace
from flakeship.caches.plan import CacheInputs, CachePart, CacheTools, KeptResults, OwnNars
from flakeship.nix.build import BuildOutput
from flakeship.nix.configuration import settings as nix_settings

if TYPE_CHECKING:  # most runs keep nothing
    from flakeship.caches.nar_entry import PathInfo
    from flakeship.caches.packs.reader import PackCache
    from flakeship.caches.packs.repository import Repository
    from flakeship.caches.packs.root import Root
    from flakeship.caches.packs.writer import PackWriter, Written
    from flakeship.caches.told import Told

_DRAIN_SECONDS: Final = 300.0
_CANCELLED_SECONDS: Final = 4.5
"""CI platforms kill a job some seconds after they asked it to end: GitHub after 7.5."""

_FOR_INDEX: Final = 0.25
"""Of the time that is left, the part that belongs to the index."""


@contextlib.contextmanager
def opened(inputs: CacheInputs, tools: CacheTools) -> Iterator[CachePart]:
    """Yield the cache to read from, and what keeps what is built; leaving the block waits until that is kept."""
    if inputs.kept is None:
        yield CachePart()
        return
    kept = _Kept(inputs.kept, tools)
    try:
        yield kept.part
    except Exception:
        kept.close(_DRAIN_SECONDS, cancelled=False)
        raise
    except BaseException:
        kept.close(_CANCELLED_SECONDS, cancelled=True)
        raise
    kept.close(_DRAIN_SECONDS, cancelled=False)


class _Kept:
    """One cache of one run."""

    def __init__(self, kept: KeptResults, tools: CacheTools) -> None:
        from flakeship.caches.feeding import Feeder
        from flakeship.caches.packs.reader import open_cache
        from flakeship.caches.told import Told

        self._kept, self._tools = kept, tools
        known = nix_settings(tools.nix)
        root, others = _roots(kept, str(known.get("system", "unknown-linux")))
        self.told: Told = Told()
        repository = _repository(kept, tools)
        keys = [kept.key.public] if kept.key else []
        self._reader: PackCache = open_cache(
            repository, root, *others, folder=tools.folder, emit=tools.emit, keys=keys
        )
        self._own_key = str(keys[0].name) if keys else ""
        self._upstream = {str(key).partition(":")[0] for key in known.get("trusted-public-keys", ())}
        self._writer = self._new_writer(repository, root)
        self._feeder = Feeder(self._writer, self._choose, tools.emit) if self._writer else None
        self.part = CachePart(
            own=OwnNars(self._reader, signed=bool(keys)) if len(self._reader) else None,
            public_keys=tuple(map(str, keys)) if len(self._reader) else (),
            built=self._built,
            heard=self._heard,
        )

    def _new_writer(self, repository: Repository, root: Root) -> PackWriter | None:
        from flakeship.caches.packs.writer import PackWriter

        if self._reader.unreachable:  # it was warned of
            return None
        if self._kept.read_only:
            self._tools.emit(
                events.Notice(f"nothing is written to {self._reader.name}: {self._kept.read_only}")
            )
            return None
        return PackWriter(
            repository,
            root.tag,
            folder=self._tools.folder,
            emit=self._tools.emit,
            limits=self._kept.cache.limits,
            key=self._kept.key,
            source=self._kept.source,
        )

    def _heard(self, event: events.Event) -> None:
        self.told(event)
        if self._feeder and isinstance(event, events.DerivationBuilt):
            self._feeder.built(event.derivation)

    def _built(self, output: BuildOutput) -> None:
        if self._feeder:
            self._feeder.result(output.paths)

    def _choose(self, derivations: Collection[str], results: Collection[str]) -> Iterator[PathInfo]:
        from flakeship.caches.pushed import to_push

        elsewhere = {path for path, cache in self.told.substituted.items() if cache != self._reader.name}
        return to_push(
            self._tools.nix,
            derivations,
            results,
            upstream=self._upstream - {self._own_key},
            from_elsewhere=elsewhere,
            held=self._holds,
            fetched_too=self._kept.cache.inputs,
        )

    def _holds(self, hash_part: str) -> bool:
        return hash_part in self._reader or (self._writer is not None and hash_part in self._writer)

    def close(self, seconds: float, *, cancelled: bool) -> None:
        """Push what is left within so many seconds, write the index, and say what was done."""
        deadline = time.monotonic() + seconds
        written: Written | None = None
        if self._feeder and self._writer:
            self._feeder.drain(seconds * (1 - _FOR_INDEX), look=not cancelled)
            written = self._writer.finish(
                max(0.0, deadline - time.monotonic()),
                used=self._reader.used,
                damaged=self._reader.damaged,
                gone=self._reader.gone,
                roots=self._reader.roots,
            )
        self._reader.close()
        self._tools.emit(events.CachesTold(_line(self.told, self._reader.name, written)))


def _line(told: Told, name: str, written: Written | None) -> str:
    new = f"{written.paths} new in {name} ({_size(written.size)})" if written else f"nothing new in {name}"
    return f"Nix: {told.line()}; {new}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _roots(kept: KeptResults, system: str) -> tuple[Root, list[Root]]:
    from flakeship.caches.packs.root import Root

    own = Root(kept.ref, system, kept.attributes)
    return own, [Root(ref, system, kept.attributes) for ref in kept.other_refs]


def _repository(kept: KeptResults, tools: CacheTools) -> Repository:
    place = kept.cache.place
    match place:
        case LayoutPlace(folder):
            from flakeship.caches.packs.layout import LayoutRepository

            return LayoutRepository(folder, emit=tools.emit)
        case RegistryPlace():
            from flakeship.caches.packs.registry import RegistryRepository
            from flakeship.registry.reference import Reference

            reference = place.reference or place.beside(Reference.parse(kept.image))
            actions = "pull" if kept.read_only else "pull,push"
            return RegistryRepository(tools.client(reference, actions=actions), emit=tools.emit)
        case _:
            raise AssertionError("checked before")
