"""The sentences beside a picture: what it is of, and what a reader must know of its sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flakeship.printable import counted
from flakeship.report.picture.model import Contents, LayerContents
from flakeship.report.plain import size_of

_SEEN: Final = 1000
"""A layer that is less than one part in so many of its picture has a box that nobody can see."""


def facts_of(contents: Contents) -> str:
    """Return platform, size, and the numbers of layers and packages, in one line."""
    packages = len({package.path for layer in contents.layers for package in layer.packages})
    parts = [
        contents.platform,
        _sizes(contents),
        counted(len(contents.layers), "layer"),
        counted(packages, "package") if packages else "",
    ]
    return " · ".join(filter(None, parts))


def notes_of(contents: Contents) -> Iterator[str]:
    """Yield what explains the sizes: an area is a size, and of which kind."""
    unpacked, compressed = _by_measure(contents)
    if unpacked:
        yield "An area is the size of a package, unpacked (its NAR)."
    if unpacked and compressed:
        yield (
            f"The area of {counted(len(compressed), 'hatched layer')} is the compressed size of a layer, since the sizes of "
            "what is in it are not known."
        )
    elif compressed:
        yield "An area is the compressed size of a layer, since the sizes of what is in it are not known."
    if not contents.size:
        yield "There is nothing to draw: no layer has a size."


def _sizes(contents: Contents) -> str:
    by_measure = zip(("unpacked", "compressed"), _by_measure(contents), strict=True)
    sizes = [
        f"{size_of(sum(layer.size for layer in layers))} {measure}"
        for measure, layers in by_measure
        if layers
    ]
    return " and ".join(sizes)


def _by_measure(contents: Contents) -> tuple[list[LayerContents], list[LayerContents]]:
    """Return the layers whose packages have known sizes, and the other ones that can be seen: every image has a layer
    of links with some hundred bytes.
    """
    unpacked = [layer for layer in contents.layers if layer.measure == "unpacked"]
    others = [layer for layer in contents.layers if layer.measure == "compressed"]
    return unpacked, [layer for layer in others if layer.size * _SEEN >= contents.size]
