"""The input `nix-cache`: read what earlier runs built, and keep what this one builds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from flakeship import events
from flakeship.caches.place import StorePlace
from flakeship.caches.plan import CacheInputs, CachePart, CacheTools, KeptResults
from flakeship.nix.build import BuildOutput
from flakeship.store_paths import hash_of

if TYPE_CHECKING:  # most runs keep nothing
    from flakeship.caches.keeper import Keeper, Pushed
    from flakeship.caches.nar_entry import PathInfo
    from flakeship.caches.private_inputs import PrivateInputs
    from flakeship.caches.told import Told
    from flakeship.nix.stored import Outputs

_DRAIN_SECONDS: Final = 300.0
_CANCELLED_SECONDS: Final = 4.5
"""CI platforms kill a job some seconds after they asked it to end: GitHub after 7.5."""

_FOR_INDEX: Final = 0.25
"""Of the time that is left, the part in which no path is pushed any more: the index has to be written too."""


@contextlib.contextmanager
def opened(inputs: CacheInputs, tools: CacheTools) -> Iterator[CachePart]:
    """Yield the cache to read from, and what keeps what is built; leaving the block waits until that is kept."""
    if inputs.kept is None:
        yield CachePart()
        return
    run = _Run(inputs, inputs.kept, tools)
    try:
        yield run.part
    except Exception:
        run.drain()
        raise
    except BaseException:
        run.close(_CANCELLED_SECONDS, cancelled=True)
        raise
    run.drain()


class _Run:
    """The cache of one run, what the run's builds tell of themselves, and what is pushed of that."""

    def __init__(self, inputs: CacheInputs, kept: KeptResults, tools: CacheTools) -> None:
        from flakeship.caches.feeding import Feeder
        from flakeship.caches.told import Told

        self._inputs, self._kept, self._tools = inputs, kept, tools
        known = tools.settings()
        self._told: Told = Told()
        self._outputs: dict[str, Outputs] = {}
        """Those of derivations that were asked about as results."""
        self._keeper = _keeper(kept, tools, known)
        own = kept.key.name if kept.key else ""
        keys = (str(key).partition(":")[0] for key in known.get("trusted-public-keys", ()))
        self._upstream = {key for key in keys if key != own}
        if kept.read_only:
            tools.emit(events.Notice(f"nothing is written to {self._keeper.name}: {kept.read_only}"))
        taker = self._keeper.taker
        self._feeder = Feeder(taker, self._choose, tools.emit, settle=self._keeper.settle) if taker else None
        self._unread = False
        self.part = replace(
            self._keeper.part,
            unread=self._not_read,
            built=self._built,
            all_built=self._feeder.all_built if self._feeder else None,
            heard=self._heard,
        )

    def _not_read(self) -> None:
        own = self._keeper.part.own
        self._unread = own is not None and own.has_paths()

    def _heard(self, event: events.Event) -> None:
        self._told(event)
        if self._feeder and isinstance(event, events.DerivationBuilt):
            self._feeder.built(event.derivation)

    def _built(self, output: BuildOutput) -> None:
        if self._feeder:
            if output.derivation:
                from flakeship.nix.stored import outputs_in

                self._outputs[output.drv_path] = outputs_in(output.derivation)
            self._feeder.result(output.paths)

    def _choose(self, derivations: Collection[str], results: Collection[str]) -> Iterator[PathInfo]:
        from flakeship.caches.pushed import to_push
        from flakeship.nix.stored import valid_paths

        name, nix = self._keeper.name, self._tools.nix
        if not self._keeper.takes():
            return iter(())
        inputs = valid_paths(nix, self._private.inputs) if self._kept.cache.inputs and results else []
        found = to_push(
            nix,
            derivations,
            [*results, *inputs],
            upstream=self._upstream,
            from_elsewhere={path for path, cache in self._told.substituted.items() if cache != name},
            held=self._held,
            fetched_too=self._kept.cache.inputs,
            is_sound=self._is_sound,
            known=self._outputs,
        )
        return self._private.permitted(list(found))

    @cached_property
    def _private(self) -> PrivateInputs:
        from flakeship.caches.private_inputs import PrivateInputs

        return PrivateInputs(
            self._tools.nix,
            self._inputs.flakes,
            self._inputs.cwd,
            name=self._keeper.name,
            is_public=self._keeper.is_public,
            emit=self._tools.emit,
            hint=self._keeper.hint_if_public,
            metadata=self._tools.flake_metadata,
        )

    def _held(self, parts: Collection[str]) -> Collection[str]:
        """Return those of these paths that need not be pushed. The cache is not asked for what came from it in this run."""
        taker, name = self._keeper.taker, self._keeper.name
        self._forget_lost()
        came = {hash_of(path) for path, cache in self._told.substituted.items() if cache == name}
        known = {part for part in parts if part in came or (taker is not None and part in taker)}
        return known | set(self._keeper.held([part for part in parts if part not in known]))

    def _is_sound(self, info: PathInfo) -> bool:
        name = self._keeper.name
        sound = self._keeper.is_sound(info, copied=self._told.substituted.get(info.path) == name)
        if not sound:
            self._told.forget(name, lambda path: path == info.path)
        return sound

    def _forget_lost(self) -> None:
        self._told.forget(self._keeper.name, lambda path: self._keeper.has_lost(hash_of(path)))

    def drain(self) -> None:
        """Close it in the time of a run that is over, or in that of one that is cancelled, if a signal comes meanwhile."""
        try:
            self.close(_DRAIN_SECONDS, cancelled=False)
        except BaseException:
            self.close(_CANCELLED_SECONDS, cancelled=True)
            raise

    def close(self, seconds: float, *, cancelled: bool) -> None:
        """Push what is left within so many seconds, make it known, and say what was done."""
        deadline = time.monotonic() + seconds
        self._keeper.be_awaited()
        if self._feeder:
            self._feeder.drain(seconds * (1 - _FOR_INDEX), look=not cancelled)
        pushed = self._keeper.finish(max(0.0, deadline - time.monotonic()))
        self._forget_lost()
        self._keeper.close()
        self._tools.emit(events.CachesTold(_line(self._told, self._keeper.name, pushed, unread=self._unread)))


def _keeper(kept: KeptResults, tools: CacheTools, known: Mapping[str, Any]) -> Keeper:
    if isinstance(kept.cache.place, StorePlace):
        from flakeship.caches.kept_in_store import StoreKeeper

        return StoreKeeper(kept, tools, netrc_file=str(known.get("netrc-file", "")))
    from flakeship.caches.kept_in_packs import PackKeeper

    return PackKeeper(kept, tools, system=str(known.get("system", "unknown-linux")))


def _line(told: Told, name: str, pushed: Pushed | None, *, unread: bool) -> str:
    new = f"{pushed.paths} new in {name} ({_size(pushed.size)})" if pushed else f"nothing new in {name}"
    not_read = ", from which Nix could take nothing" if unread else ""
    return f"Nix: {told.line()}; {new}{not_read}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
