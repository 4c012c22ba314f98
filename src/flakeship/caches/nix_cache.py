"""The input `nix-cache`: read what earlier runs built, and keep what this one builds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from flakeship import events
from flakeship.caches.place import StorePlace
from flakeship.caches.plan import CacheInputs, CachePart, CacheTools, KeptResults
from flakeship.nix.build import BuildOutput
from flakeship.nix.configuration import settings as nix_settings
from flakeship.printable import counted

if TYPE_CHECKING:  # most runs keep nothing
    from flakeship.caches.keeper import Keeper, Pushed
    from flakeship.caches.nar_entry import PathInfo
    from flakeship.caches.told import Told
    from flakeship.nix.input_sources import InputSource

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
    run = _Run(inputs.kept, tools)
    try:
        yield run.part
    except Exception:
        run.close(_DRAIN_SECONDS, cancelled=False)
        raise
    except BaseException:
        run.close(_CANCELLED_SECONDS, cancelled=True)
        raise
    run.close(_DRAIN_SECONDS, cancelled=False)


class _Run:
    """The cache of one run, what the run's builds tell of themselves, and what is pushed of that."""

    def __init__(self, kept: KeptResults, tools: CacheTools) -> None:
        from flakeship.caches.feeding import Feeder
        from flakeship.caches.told import Told

        self._kept, self._tools = kept, tools
        known = nix_settings(tools.nix)
        self._told: Told = Told()
        self._keeper = _keeper(kept, tools, known)
        own = kept.key.name if kept.key else ""
        keys = (str(key).partition(":")[0] for key in known.get("trusted-public-keys", ()))
        self._upstream = {key for key in keys if key != own}
        if kept.read_only:
            tools.emit(events.Notice(f"nothing is written to {self._keeper.name}: {kept.read_only}"))
        taker = self._keeper.taker
        self._feeder = Feeder(taker, self._choose, tools.emit) if taker else None
        self._told_of_private = False
        self.part = replace(self._keeper.part, built=self._built, heard=self._heard)

    def _heard(self, event: events.Event) -> None:
        self._told(event)
        if self._feeder and isinstance(event, events.DerivationBuilt):
            self._feeder.built(event.derivation)

    def _built(self, output: BuildOutput) -> None:
        if self._feeder:
            self._feeder.result(output.paths)

    def _choose(self, derivations: Collection[str], results: Collection[str]) -> Iterator[PathInfo]:
        from flakeship.caches.pushed import to_push
        from flakeship.nix.stored import valid_paths

        name, nix = self._keeper.name, self._tools.nix
        inputs = valid_paths(nix, self._inputs) if self._kept.cache.inputs and results else []
        found = to_push(
            nix,
            derivations,
            [*results, *inputs],
            upstream=self._upstream,
            from_elsewhere={path for path, cache in self._told.substituted.items() if cache != name},
            held=self._holds,
            fetched_too=self._kept.cache.inputs,
        )
        return self._permitted(list(found))

    @cached_property
    def _inputs(self) -> Mapping[str, InputSource]:
        """The inputs of what is built, by their store paths."""
        from flakeship.nix.input_sources import input_sources

        kept, nix = self._kept, self._tools.nix
        found = (each for flake in kept.flakes for each in input_sources(nix, flake, cwd=kept.cwd))
        return {each.path: each for each in found}

    @cached_property
    def _withheld(self) -> Mapping[str, InputSource]:
        """The inputs that are private, where anybody can read the cache."""
        private = {path: each for path, each in self._inputs.items() if each.private}
        return private if private and self._keeper.is_public() else {}

    def _permitted(self, found: Sequence[PathInfo]) -> Iterator[PathInfo]:
        """Leave out private inputs, and what leads to them, where the cache is for everybody."""
        from flakeship.caches.pushed import leading_to

        refused = leading_to(found, self._withheld) if found and self._withheld else ()
        if refused and not self._told_of_private:
            self._told_of_private = True
            names = ", ".join(sorted(each.name for each in self._withheld.values()))
            self._tools.emit(
                events.Warned(
                    f"{counted(len(refused), 'path')} with the source of a private input ({names}) is not kept in {self._keeper.name}, "
                    "which anybody can read",
                    hint="make the package of the cache private, or name another one by `nix-cache: docker://REFERENCE`",
                )
            )
        return (each for each in found if each.path not in refused)

    def _holds(self, hash_part: str) -> bool:
        taker = self._keeper.taker
        return (taker is not None and hash_part in taker) or self._keeper.holds(hash_part)

    def close(self, seconds: float, *, cancelled: bool) -> None:
        """Push what is left within so many seconds, make it known, and say what was done."""
        deadline = time.monotonic() + seconds
        if self._feeder:
            self._feeder.drain(seconds * (1 - _FOR_INDEX), look=not cancelled)
        pushed = self._keeper.finish(max(0.0, deadline - time.monotonic()))
        self._keeper.close()
        self._tools.emit(events.CachesTold(_line(self._told, self._keeper.name, pushed)))


def _keeper(kept: KeptResults, tools: CacheTools, known: Mapping[str, Any]) -> Keeper:
    if isinstance(kept.cache.place, StorePlace):
        from flakeship.caches.kept_in_store import StoreKeeper

        return StoreKeeper(kept, tools, netrc_file=str(known.get("netrc-file", "")))
    from flakeship.caches.kept_in_packs import PackKeeper

    return PackKeeper(kept, tools, system=str(known.get("system", "unknown-linux")))


def _line(told: Told, name: str, pushed: Pushed | None) -> str:
    new = f"{pushed.paths} new in {name} ({_size(pushed.size)})" if pushed else f"nothing new in {name}"
    return f"Nix: {told.line()}; {new}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
