"""Colours of layers: dark at the bottom of the image and light at its top, so that their order is seen without any hue.

The ramp is viridis, made to be read also by those who see no red or no green, and in print:
https://bids.github.io/colormap/
"""

from __future__ import annotations

from typing import Final

_RAMP: Final = (
    (70, 50, 127),
    (62, 73, 137),
    (49, 104, 142),
    (38, 130, 142),
    (31, 158, 137),
    (53, 183, 121),
    (110, 206, 88),
    (181, 222, 43),
    (241, 229, 81),
)
MIXED: Final = "#8b949e"
"""The colour of several layers at once."""


def colour_of(place: int, count: int) -> str:
    """Return the colour of the layer at `place` of `count`, from 0 at the bottom, as `#rrggbb`."""
    where = (place / (count - 1) if count > 1 else 0.3) * (len(_RAMP) - 1)
    low = min(int(where), len(_RAMP) - 2)
    part = where - low
    mixed = (round(one + (other - one) * part) for one, other in zip(_RAMP[low], _RAMP[low + 1], strict=True))
    return "#" + "".join(f"{each:02x}" for each in mixed)


def ink_on(colour: str) -> str:
    """Return black or white, whichever reads better on `colour`: the ratio is 4.5 at least, as WCAG 2 asks for."""
    return "#000000" if contrast(luminance(colour), 0.0) >= contrast(1.0, luminance(colour)) else "#ffffff"


def luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb`, from 0 to 1: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(lighter: float, darker: float) -> float:
    """The ratio of two luminances: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""
    return (lighter + 0.05) / (darker + 0.05)
