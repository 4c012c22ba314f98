"""The boxes of a picture: layers side by side, in each of them its packages; what is too small to be seen is folded into one box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from flakeship.report.picture.model import Contents, LayerContents, Package
from flakeship.report.picture.squarified import Rect, squarified

LEAST: Final = 144.0
"""Square pixels of a box that can be pointed at; smaller ones are folded."""

_Sized = TypeVar("_Sized")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle and what it stands for: one package; several that are folded; or one layer or several as wholes.

    `layer_rect` is the rectangle of the layer that it lies in, and its own where it stands for layers.
    """

    rect: Rect
    layer_rect: Rect
    size: int
    layers: tuple[LayerContents, ...]
    packages: tuple[Package, ...] = ()

    @property
    def is_folded(self) -> bool:
        """Whether it stands for several things that would be too small to be seen."""
        return len(self.packages) > 1 or len(self.layers) > 1

    @property
    def label(self) -> str:
        """What is written in the box, if it fits."""
        if len(self.layers) > 1:
            return f"{len(self.layers)} small layers"
        if not self.packages:
            return self.layers[0].label
        if len(self.packages) == 1:
            return self.packages[0].name
        all_of_it = len(self.packages) == len(self.layers[0].packages)
        return f"{len(self.packages)} {'packages' if all_of_it else 'others'}"


def boxes_of(contents: Contents, within: Rect) -> tuple[Box, ...]:
    """Return the boxes, whose areas are in proportion to their sizes and fill `within`; none where all sizes are 0.

    The order and the places depend on sizes and names alone.
    """
    layers = sorted(contents.layers, key=lambda layer: (-layer.size, layer.number))
    boxes: list[Box] = []
    for rect, shown in _placed(layers, lambda layer: layer.size, within):
        if len(shown) > 1:
            boxes.append(Box(rect, rect, sum(layer.size for layer in shown), tuple(shown)))
        elif shown[0].measure == "compressed":
            boxes.append(Box(rect, rect, shown[0].size, (shown[0],)))
        else:
            boxes += _within(shown[0], rect)
    return tuple(boxes)


def _within(layer: LayerContents, rect: Rect) -> list[Box]:
    packages = sorted(layer.packages, key=lambda each: (-_size(each), each.name, each.path))
    return [
        Box(place, rect, sum(map(_size, shown)), (layer,), tuple(shown))
        for place, shown in _placed(packages, _size, rect)
    ]


def _size(package: Package) -> int:
    return package.size or 0


def _placed(
    things: Sequence[_Sized], size: Callable[[_Sized], int], within: Rect
) -> list[tuple[Rect, Sequence[_Sized]]]:
    """Place things that are sorted by size, the largest first; the last place is of all that would be too small alone."""
    total = sum(map(size, things))
    if not total:
        return []
    small = next(
        (place for place, each in enumerate(things) if size(each) * within.area < LEAST * total), len(things)
    )
    if len(things) - small == 1 and size(things[small]):
        small = len(things)  # nothing is gained by folding one
    groups: list[Sequence[_Sized]] = [[each] for each in things[:small]]
    if rest := things[small:]:
        groups.append(rest)
    sized = [(sum(map(size, group)), group) for group in groups]
    # the folded ones may be more than the smallest that are shown
    sized = sorted((each for each in sized if each[0]), key=lambda each: -each[0])
    rects = squarified([each for each, _ in sized], within)
    return [(rect, group) for rect, (_, group) in zip(rects, sized, strict=True)]
