"""An image as it is compared, and what comes of the comparison. All values are made from documents: no layer is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["changed", "added", "removed", "outputs", "rebuilt"]
"""What became of a package: other versions, new, gone, the same version with other outputs, or at other store paths."""


class PackageName(NamedTuple):
    """Name and version of a package; the version may be empty."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class HeldLayer:
    """A layer. `digest` is that of its blob, empty where it is kept as a plain tar; `diff_id` may be empty too.

    Sizes are in bytes and None where nothing states them: `size` of the blob, `unpacked` of the tar. `paths` are the store
    paths in it that no layer above removes, as far as they are known; `told` is false where the history does not tell what is in it. `removes` is true where
    it was read, and removes something of the layers below it.
    """

    digest: str
    diff_id: str
    size: int | None = None
    unpacked: int | None = None
    paths: tuple[str, ...] = ()
    told: bool = True
    removes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One image of one platform, or a package, which has no layers and no platform. `digest` may be empty.

    `config` is that of image-spec without `rootfs` and `history`. `stated` names packages by store path where something better
    than the path does. `index` is the digest of the index that lists the image, empty where none led to it.
    """

    name: str
    paths: frozenset[str]
    digest: str = ""
    platform: str = ""
    layers: tuple[HeldLayer, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    stated: Mapping[str, PackageName] = field(default_factory=dict)
    index: str = ""

    @property
    def is_image(self) -> bool:
        """Whether there are layers and a config to compare."""
        return bool(self.layers or self.config)


class PackageChange(NamedTuple):
    """What became of all that has one name. `old` and `new` are its versions, of which each may be the empty text.

    `old_paths` and `new_paths` are the store paths that only one of the images has. Sizes are those of layers that hold
    nothing else, compressed and in bytes; None where it shares a layer with another package.
    """

    name: str
    kind: Kind
    old: tuple[str, ...]
    new: tuple[str, ...]
    old_paths: tuple[str, ...]
    new_paths: tuple[str, ...]
    old_size: int | None = None
    new_size: int | None = None

    @property
    def growth(self) -> int | None:
        """The bytes that it is larger; None where that is not known."""
        if self.old_size is None or self.new_size is None:
            return None
        return self.new_size - self.old_size


class Bytes(NamedTuple):
    """The number of layers and the sum of their bytes, each blob counted once; None if the size of one is not known."""

    layers: int
    size: int | None
    unpacked: int | None


class LayerChange(NamedTuple):
    """The layers that are new, those of both images, and those that are gone."""

    added: Bytes
    shared: Bytes
    removed: Bytes


class ConfigChange(NamedTuple):
    """A setting of the image, `env` or `label` with the key of the entry. `old` is None where it is new, `new` where it is gone."""

    field: str
    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Two images of one platform. `packages` are sorted by name.

    `reordered` tells whether the layers that both have are stacked in another order, or one of them more often.
    `untold` are the layers that only one has and of which its history does not tell what is in them.
    """

    old: Held
    new: Held
    packages: tuple[PackageChange, ...]
    layers: LayerChange
    config: tuple[ConfigChange, ...]
    reordered: bool = False
    untold: int = 0

    def of_kind(self, kind: Kind) -> tuple[PackageChange, ...]:
        """The packages with this kind of change."""
        return tuple(change for change in self.packages if change.kind == kind)

    @property
    def compares_packages(self) -> bool:
        """Whether store paths are known of one of the images at least."""
        return bool(self.old.paths or self.new.paths)

    @property
    def is_empty(self) -> bool:
        """Whether the images are alike in everything that is compared."""
        return not (self.packages or self.config or self.has_other_layers)

    @property
    def has_other_layers(self) -> bool:
        """Whether the layers differ, or their order."""
        return bool(self.layers.added.layers or self.layers.removed.layers or self.reordered)


def total_of(sizes: Iterable[int | None]) -> int | None:
    """Add sizes up; None if one of them is not known."""
    total = 0
    for size in sizes:
        if size is None:
            return None
        total += size
    return total
