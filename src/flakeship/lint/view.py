"""The image as lint rules see it: its config, its history, and the file names that were noticed while it was packed.

No layer is read for lint alone, so a rule has to bear with layers of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from flakeship.image.model import Packed
from flakeship.lint.glimpse import Glimpse
from flakeship.store_paths import store_paths_in

WhyDepends: TypeAlias = Callable[[str, str], tuple[str, ...]]
"""A function of two store paths, `nix.why_depends.why_depends` without its first argument.

It returns the chain of references from the first to the second, both included; empty if the chain is not known.
"""

CUSTOMISED: Final = "-customisation-layer"
"""How dockerTools calls the layer of what lies outside the store, which its history lists like a store path.

https://github.com/NixOS/nixpkgs/blob/master/pkgs/build-support/docker/default.nix
"""


OUTSIDE: Final = ("links, user and folders", "store paths:")
"""How the history's comment begins of a layer that flakeship, or dockerTools, made of what lies outside the store."""


def unknown_chain(root: str, path: str) -> tuple[str, ...]:
    """Return no chain: a `WhyDepends` for runs without Nix."""
    return ()


@dataclass(frozen=True, slots=True)
class ImageView:
    """One image. `contents` holds the store paths of each layer, from the bottom; `glimpses` is keyed by `Layer.key`."""

    packed: Packed
    contents: tuple[tuple[str, ...], ...]
    glimpses: Mapping[str, Glimpse]
    why_depends: WhyDepends = unknown_chain

    @property
    def runtime(self) -> Mapping[str, Any]:
        """The `config` object of the image's configuration: Entrypoint, Cmd, Env, User and so on."""
        found: Mapping[str, Any] = self.packed.image.config.get("config", {})
        return found

    @property
    def store_paths(self) -> tuple[str, ...]:
        """The store paths of all layers."""
        return tuple(path for paths in self.contents for path in paths)

    @property
    def is_of_package(self) -> bool:
        """True if we made the image of a plain package, so that inputs of ours say what is in it, and no expression of Nix."""
        return any(entry.get("created_by") == "flakeship" for entry in self.packed.image.history)

    @property
    def complete(self) -> bool:
        """True if every name outside the store was seen. Only then may a rule report that a file is missing."""
        return bool(self.packed.image.layers) and all(map(self.seen, range(len(self.packed.image.layers))))

    def seen(self, number: int) -> bool:
        """Return True if all is known of this layer that it may hold outside the store."""
        key = self.packed.image.layers[number]
        told = self.contents[number] and not any(path.endswith(CUSTOMISED) for path in self.contents[number])
        return bool(told) or (
            key in self.glimpses and (self.glimpses[key].whole or bool(self.contents[number]))
        )

    def has(self, path: str) -> bool:
        """Return True if a layer holds `path`, which has no leading slash and lies outside the store."""
        return any(path in glimpse.paths for glimpse in self.glimpses.values())

    @property
    def program(self) -> str:
        """The program that the container starts, as the config names it or, if that is a link, the link's target."""
        command = [*(self.runtime.get("Entrypoint") or ()), *(self.runtime.get("Cmd") or ())]
        program = command[0] if command else ""
        return self.link(program.strip("/")) or program

    def link(self, path: str) -> str:
        """Return the target of the link at `path` in the uppermost layer that has one; empty if there is no link."""
        found = (self.glimpses[key].links.get(path, "") for key in self._upper())
        return next(filter(None, found), "")

    def file(self, path: str) -> bytes | None:
        """Return the content of `path` in the uppermost layer that has it; None if no layer has, or it was not kept."""
        return next(
            (content for key in self._upper() if (content := self.glimpses[key].files.get(path))), None
        )

    def _upper(self) -> list[str]:
        return [key for key in reversed(self.packed.image.layers) if key in self.glimpses]


def view_of(
    packed: Packed, glimpses: Mapping[str, Glimpse], why_depends: WhyDepends = unknown_chain
) -> ImageView:
    """Return the view of a packed image whose layers left `glimpses`."""
    return ImageView(packed, contents_of(packed.image.history, len(packed.layers)), glimpses, why_depends)


def contents_of(history: Sequence[Mapping[str, Any]], layers: int) -> tuple[tuple[str, ...], ...]:
    """Return the store paths of each of `layers` layers, from the history's `comment` and `created_by`.

    dockerTools and nix2container write them there. All are empty if the history does not have one entry for each layer.
    """
    entries = [entry for entry in history if not entry.get("empty_layer", False)]
    if len(entries) != layers:
        return ((),) * layers
    texts = (f"{entry.get('comment', '')} {entry.get('created_by', '')}" for entry in entries)
    return tuple(tuple(dict.fromkeys(store_paths_in(text))) for text in texts)


def tells_contents(paths: Sequence[str], comment: str) -> bool:
    """Whether the history tells what is in a layer: the store paths, or that there is none. `comment` is its own, else `created_by`."""
    return bool(paths) or comment.startswith(OUTSIDE)


def comments_of(history: Sequence[Mapping[str, Any]], layers: int) -> tuple[str, ...]:
    """Return what the history says of each of `layers` layers; all are empty as in `contents_of`."""
    entries = [entry for entry in history if not entry.get("empty_layer", False)]
    if len(entries) != layers:
        return ("",) * layers
    return tuple(str(entry.get("comment") or entry.get("created_by") or "") for entry in entries)
