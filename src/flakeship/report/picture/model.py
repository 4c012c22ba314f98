"""What a picture is made of: layers, and the packages in them, with their sizes. Nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Measure: TypeAlias = Literal["unpacked", "compressed"]
"""What the size of a layer is: the sum of its packages' NARs, or that of the blob, where their sizes are not known."""


@dataclass(frozen=True, slots=True)
class Package:
    """A store path by its name without the hash. `size` is that of its NAR in bytes, None where only its layer's is known."""

    name: str
    path: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class LayerContents:
    """One layer. `number` counts from 1, from the lowest; `size` is in bytes, as `measure` says.

    `packages` is empty where the history names no store path; `text` is what it says then.
    """

    number: int
    digest: str
    size: int
    measure: Measure
    packages: tuple[Package, ...] = ()
    text: str = ""

    @property
    def label(self) -> str:
        """What a box of the whole layer is called."""
        match self.packages:
            case ():
                return self.text or f"layer {self.number}"
            case (package,):
                return package.name
            case several:
                return f"{len(several)} packages"


@dataclass(frozen=True, slots=True)
class Contents:
    """One image for one platform. `name` is that of the image, or of its attribute."""

    name: str
    platform: str
    layers: tuple[LayerContents, ...]

    @property
    def size(self) -> int:
        """The bytes that the whole picture stands for."""
        return sum(layer.size for layer in self.layers)

    @property
    def packages(self) -> tuple[Package, ...]:
        """The packages of all layers whose sizes are known, the largest first."""
        known = (package for layer in self.layers for package in layer.packages if package.size is not None)
        return tuple(sorted(known, key=lambda package: (-(package.size or 0), package.name, package.path)))
