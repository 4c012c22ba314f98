"""The boxes of one image as SVG elements, with their words and what is shown when one points at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flakeship.report.picture.boxes import Box
from flakeship.report.picture.lettering import escaped, fitted
from flakeship.report.picture.model import Contents, Package
from flakeship.report.picture.palette import MIXED, colour_of, ink_on
from flakeship.report.picture.squarified import Rect
from flakeship.report.plain import size_of

_BETWEEN_LAYERS: Final = 1.5
_BETWEEN_PACKAGES: Final = 0.5
"""Pixels that a box keeps from the border of its layer, and from another of the same layer."""

_PADDING: Final = 6.0
_TIGHT: Final = 3.0
"""Pixels around words, and around those in a box narrower than 90."""

_SMALLEST: Final = 10.0
_LARGEST: Final = 22.0
_SECOND: Final = 11.0
"""Font sizes in pixels: of names, and of the lines below them."""

_NAMED: Final = 10
"""Names that are shown of what is folded; the table of the page has all."""


def treemap(contents: Contents, boxes: Sequence[Box], *, prefix: str) -> str:
    """Return the elements, without the `<svg>` around them. `prefix` keeps the ids of several pictures on one page apart.

    A box is `<g class="box" data-box="NUMBER">`, by its place in `boxes`; its first child is its `<title>`.
    """
    hatched = f"{prefix}hatch"
    parts = [
        f'<defs><pattern id="{hatched}" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">',
        '<path d="M0 0V8" stroke="#fff" stroke-opacity=".22" stroke-width="5"/></pattern></defs>',
    ]
    parts += (_box(number, box, contents, hatched) for number, box in enumerate(boxes))
    return "\n".join(parts)


def colour_in(contents: Contents, box: Box) -> str:
    """The colour of the layer that a box belongs to."""
    if len(box.layers) > 1:
        return MIXED
    numbers = sorted(layer.number for layer in contents.layers)
    return colour_of(numbers.index(box.layers[0].number), len(numbers))


def _box(number: int, box: Box, contents: Contents, hatched: str) -> str:
    x, y, width, height = _drawn(box)
    colour = colour_in(contents, box)
    frame = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" rx="2"'
    compressed = any(layer.measure == "compressed" for layer in box.layers)
    parts = [
        f"<title>{_told(box, contents)}</title>",
        f'<rect {frame} fill="{colour}"/>',
        f'<rect {frame} fill="url(#{hatched})"/>' if compressed else "",
        *_words(box, Rect(x, y, width, height), ink_on(colour)),
    ]
    return f'<g class="box" data-box="{number}">{"".join(parts)}</g>'


def _drawn(box: Box) -> Rect:
    """The rectangle with a gap around it, in which the ground is seen; of what is thin at most a fifth goes."""
    x, y, width, height = box.rect
    whole = box.layer_rect

    def gap(at: float, border: float, length: float) -> float:
        wanted = _BETWEEN_LAYERS if abs(at - border) < 0.01 else _BETWEEN_PACKAGES
        return min(wanted, length / 10)

    left, top = gap(x, whole.x, width), gap(y, whole.y, height)
    right = gap(x + width, whole.x + whole.width, width)
    bottom = gap(y + height, whole.y + whole.height, height)
    return Rect(x + left, y + top, width - left - right, height - top - bottom)


def _words(box: Box, inside: Rect, ink: str) -> Iterator[str]:
    """The name in letters as large as the box allows, then the size and the layer, each if there is room."""
    padding = _PADDING if inside.width >= 90 else _TIGHT
    room, bottom = inside.width - 2 * padding, inside.y + inside.height - padding
    size = min(_LARGEST, max(_SMALLEST, (inside.width * inside.height) ** 0.5 / 8))
    while size > _SMALLEST and fitted(box.label, room, size) != box.label:
        size = max(_SMALLEST, size - 1)
    name = fitted(box.label, room, size)
    x, y = inside.x + padding, inside.y + padding + size * 0.85
    if not name or y > bottom:
        return
    style = ' font-style="italic"' if box.is_folded else ""
    yield f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}" font-size="{size:.0f}" font-weight="600"{style}>{escaped(name)}</text>'
    y += size * 0.25
    layer = f"layer {box.layers[0].number}" if len(box.layers) == 1 else ""
    for line in filter(None, (size_of(box.size), layer)):
        y += _SECOND * 1.25
        if y > bottom or fitted(line, room, _SECOND) != line:
            return
        yield f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}" font-size="{_SECOND:.0f}">{line}</text>'


def _told(box: Box, contents: Contents) -> str:
    """What is shown when one points at a box: the whole name, the size, the share, the layer, the paths."""
    compressed = all(layer.measure == "compressed" for layer in box.layers)
    paths = [package.path for package in box.packages or _packages_of(box)]
    lines = [
        box.label,
        f"{size_of(box.size)}{' compressed' if compressed else ''}, {share_of(box.size, contents.size)}",
        *(_layers_told(box)),
        *paths[:_NAMED],
        *([f"… and {len(paths) - _NAMED} more"] if len(paths) > _NAMED else []),
    ]
    return "\n".join(escaped(line) for line in lines)


def _packages_of(box: Box) -> list[Package]:
    return [package for layer in box.layers for package in layer.packages]


def _layers_told(box: Box) -> Iterator[str]:
    if len(box.layers) == 1:
        layer = box.layers[0]
        yield f"layer {layer.number}, {layer.digest}"
        if not layer.packages and layer.text:
            yield layer.text


def share_of(size: int, whole: int) -> str:
    """Return a part in percent, with the digits that it takes to be more than 0."""
    percent = 100 * size / whole if whole else 0.0
    return (
        f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %" if percent >= 0.1 else f"{percent:.2f} %"
    )
