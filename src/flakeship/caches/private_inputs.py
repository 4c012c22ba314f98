"""The private inputs of a flake, which must not get into a cache that anybody can read: neither alone nor within a result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from flakeship import events
from flakeship.caches.nar_entry import PathInfo
from flakeship.nix.command import Nix
from flakeship.nix.input_sources import InputSource, input_sources
from flakeship.printable import counted
from flakeship.store_paths import STORE


class PrivateInputs:
    """The inputs of `flakes`, which are relative to `cwd`, as one cache sees them. Nix is asked for them when that is needed first.

    `is_public` tells whether anybody can read the cache, and `name` is what messages call it. `metadata` as `CacheTools` has it.
    """

    def __init__(
        self,
        nix: Nix,
        flakes: Sequence[str],
        cwd: str,
        *,
        name: str,
        is_public: Callable[[], bool],
        emit: events.Emit,
        hint: str,
        metadata: Callable[[str], Mapping[str, Any]] | None = None,
    ) -> None:
        self._nix, self._flakes, self._cwd, self._name = nix, flakes, cwd, name
        self._is_public, self._emit, self._hint = is_public, emit, hint
        self._metadata, self._told = metadata, False

    @cached_property
    def inputs(self) -> Mapping[str, InputSource]:
        """The inputs of what is built, by their store paths."""
        found = (
            each
            for flake in self._flakes
            for each in input_sources(self._nix, flake, cwd=self._cwd, metadata=self._metadata)
        )
        return {each.path: each for each in found}

    @cached_property
    def _withheld(self) -> Mapping[str, InputSource]:
        private = {path: each for path, each in self.inputs.items() if each.private}
        return private if private and self._is_public() else {}

    def permitted(self, found: Sequence[PathInfo]) -> Iterator[PathInfo]:
        """Leave out private inputs, and what leads to them, where the cache is for everybody; a warning says so once."""
        refused = leading_to(found, self._withheld) if found and self._withheld else ()
        if refused and not self._told:
            self._told = True
            names = ", ".join(sorted(each.name for each in self._withheld.values()))
            self._emit(
                events.Warned(
                    f"{counted(len(refused), 'path')} with the source of a private input ({names}) is not kept in {self._name}, "
                    "which anybody can read",
                    hint=self._hint,
                )
            )
        return (each for each in found if each.path not in refused)


def leading_to(found: Sequence[PathInfo], refused: Collection[str]) -> set[str]:
    """Return those of these paths that are refused, or that need one which is, in any number of steps."""
    left = {path.removeprefix(STORE) for path in refused}
    reached = {each.path for each in found if each.path in refused}
    more = True
    while more:
        new = {
            each.path for each in found if each.path not in reached and not left.isdisjoint(each.references)
        }
        left |= {path.removeprefix(STORE) for path in new}
        reached |= new
        more = bool(new)
    return reached
