"""What lint can know of an image without reading it for its own sake: config, history, and names seen in passing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from flakeship.image.model import EMPTY, Packed
from flakeship.store_paths import store_paths_in

Level = Literal["warning", "hint"]
WayTo: TypeAlias = Callable[[str, str], tuple[str, ...]]
"""The store paths on which the first of two refers to the second, both included; empty where that is not known."""


def no_way(root: str, path: str) -> tuple[str, ...]:
    """Where there is no Nix to ask."""
    return ()


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is what a user would search for, `mend` the Nix line that mends it. `hint`s never reject an image."""

    rule: str
    level: Level
    text: str
    mend: str


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What lies outside the store in one layer: paths without a leading slash; `links` lead from path to target;
    `files` hold the content of the few that rules read. `whole` is whether all of the layer is accounted for.
    """

    paths: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    files: Mapping[str, bytes] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """`contents` are the store paths of each layer, as the history names them; `glimpses` are by key of layer."""

    packed: Packed
    contents: tuple[tuple[str, ...], ...]
    glimpses: Mapping[str, Glimpse]
    way_to: WayTo = no_way

    @property
    def runtime(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.packed.image.config.get("config", {})
        return found

    @property
    def store_paths(self) -> tuple[str, ...]:
        return tuple(path for paths in self.contents for path in paths)

    @property
    def complete(self) -> bool:
        """Whether everything outside the store was seen: only then can something be said to be missing."""
        return bool(self.packed.image.layers) and all(
            paths or (key in self.glimpses and self.glimpses[key].whole)
            for key, paths in zip(self.packed.image.layers, self.contents, strict=True)
        )

    def has(self, path: str) -> bool:
        return any(path in glimpse.paths for glimpse in self.glimpses.values())

    @property
    def program(self) -> str:
        """What is run: where it lies in the store, if it lies there."""
        command = [*(self.runtime.get("Entrypoint") or ()), *(self.runtime.get("Cmd") or ())]
        program = command[0] if command else ""
        return self.link(program.strip("/")) or program

    def link(self, path: str) -> str:
        """Where a path leads, from the uppermost layer that has it; empty for what is no link."""
        found = (self.glimpses[key].links.get(path, "") for key in self._upper())
        return next(filter(None, found), "")

    def file(self, path: str) -> bytes | None:
        return next(
            (content for key in self._upper() if (content := self.glimpses[key].files.get(path))), None
        )

    def _upper(self) -> list[str]:
        return [key for key in reversed(self.packed.image.layers) if key in self.glimpses]


def facts_of(packed: Packed, glimpses: Mapping[str, Glimpse], way_to: WayTo = no_way) -> Facts:
    return Facts(packed, contents_of(packed.image.history, len(packed.layers)), glimpses, way_to)


def contents_of(history: Sequence[Mapping[str, Any]], layers: int) -> tuple[tuple[str, ...], ...]:
    """The store paths of each layer: dockerTools and nix2container write them into the history."""
    entries = [entry for entry in history if not entry.get("empty_layer", False)]
    if len(entries) != layers:
        return ((),) * layers
    texts = (f"{entry.get('comment', '')} {entry.get('created_by', '')}" for entry in entries)
    return tuple(tuple(dict.fromkeys(store_paths_in(text))) for text in texts)
