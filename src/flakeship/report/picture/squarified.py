"""Rectangles whose areas are in proportion to sizes, as square as can be.

Bruls, Huizing and van Wijk, "Squarified treemaps", 2000: https://doi.org/10.1007/978-3-7091-6783-0_4
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Rect(NamedTuple):
    """A rectangle in pixels, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height


def squarified(sizes: Sequence[int], within: Rect) -> list[Rect]:
    """Fill `within` with a rectangle for each size, in the order of the sizes, which are above 0 and fall."""
    scale = within.area / sum(sizes) if sizes else 0.0
    areas = [size * scale for size in sizes]
    found: list[Rect] = []
    left = within
    while len(found) < len(areas):
        row = _row(areas, len(found), min(left.width, left.height))
        last = len(found) + len(row) == len(areas)
        left = _lay(row, left, found, last=last)
    return found


def _row(areas: Sequence[float], start: int, side: float) -> Sequence[float]:
    """The areas that go side by side along `side`: as many as make the least square of them more square."""
    total, worst, end = 0.0, float("inf"), start
    while end < len(areas):
        wider = total + areas[end]
        # the row's largest is its first, its smallest the new one
        ratio = max(side**2 * areas[start] / wider**2, wider**2 / (side**2 * areas[end]))
        if ratio > worst:
            break
        total, worst, end = wider, ratio, end + 1
    return areas[start:end]


def _lay(row: Sequence[float], left: Rect, found: list[Rect], *, last: bool) -> Rect:
    """Lay a row along the shorter side, and return what is left; the last row takes all, so that no error adds up."""
    x, y, width, height = left
    total = sum(row)
    upright = width >= height
    side = height if upright else width
    thick = (width if upright else height) if last else total / side
    begin = 0.0
    for area in row:
        length = side * area / total
        found.append(Rect(x, y + begin, thick, length) if upright else Rect(x + begin, y, length, thick))
        begin += length
    return Rect(x + thick, y, width - thick, height) if upright else Rect(x, y + thick, width, height - thick)
