"""The store paths of layers that lie above each other: what an upper one removes by whiteouts is not in the image.

https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from flakeship.store_paths import STORE, store_path_of

_REMOVES: Final = ".wh."
_REMOVES_ALL: Final = frozenset(
    {"/.wh.nix", "/nix/.wh.store", "/.wh..wh..opq", "/nix/.wh..wh..opq", "/nix/store/.wh..wh..opq"}
)


@dataclass(frozen=True, slots=True)
class LayerPaths:
    """The store paths that a layer adds, and those that it removes from the layers below it: all of them with `alone`."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    alone: bool = False

    @property
    def removes(self) -> bool:
        """Whether the layers below hold something that is not in the image, or might."""
        return self.alone or bool(self.removed)


@dataclass(slots=True)
class NotedPaths:
    """What the members of one layer add and remove, noted while they are read; `most` is how many store paths are noted at most."""

    most: int | None = None
    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    alone: bool = False

    def note(self, name: str) -> str:
        """Note a member by its name without a slash before it, and return the store path that it lies in; empty if it is in none, or a whiteout."""
        name = f"/{name}"
        folder, _, base = name.rpartition("/")
        if not base.startswith(_REMOVES):
            path = store_path_of(name)
            if path and self._has_room(self.added):
                self.added.add(path)
            return path
        if name in _REMOVES_ALL:
            self.alone = True
        elif f"{folder}/" == STORE and self._has_room(self.removed):
            gone = STORE + base.removeprefix(_REMOVES)
            if store_path_of(gone) == gone:
                self.removed.add(gone)
        return ""

    def _has_room(self, noted: set[str]) -> bool:
        return self.most is None or len(noted) < self.most

    @property
    def noted(self) -> LayerPaths:
        """What was noted by now."""
        return LayerPaths(frozenset(self.added), frozenset(self.removed), self.alone)


def visible(layers: Sequence[LayerPaths]) -> list[frozenset[str]]:
    """Return the store paths of each layer, from the bottom, without those that a layer above it removes."""
    found: list[frozenset[str]] = []
    gone: set[str] = set()
    hidden = False
    for layer in reversed(layers):
        found.append(frozenset() if hidden else layer.added - gone)
        hidden |= layer.alone
        gone |= layer.removed
    return found[::-1]


def paths_left(layers: Sequence[LayerPaths]) -> frozenset[str]:
    """Return the store paths that are in an image of these layers, from the bottom."""
    return frozenset[str]().union(*visible(layers))


def paths_ever(layers: Iterable[LayerPaths]) -> frozenset[str]:
    """Return the store paths that any of the layers adds, also where another removes them."""
    return frozenset[str]().union(*(layer.added for layer in layers))
