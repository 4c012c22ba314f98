"""Images as one SVG file, below each other: for a page of Markdown, and for whoever opens the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from flakeship.report.picture.boxes import boxes_of
from flakeship.report.picture.lettering import escaped, fitted
from flakeship.report.picture.model import Contents
from flakeship.report.picture.notes import facts_of, notes_of
from flakeship.report.picture.palette import colour_of
from flakeship.report.picture.squarified import Rect
from flakeship.report.picture.treemap import treemap

WIDTH: Final = 960
HEIGHT: Final = 540
"""Pixels of the boxes of one image."""

_MARGIN: Final = 16
_ABOVE: Final = 58
_BELOW: Final = 12
_LINE: Final = 18
"""Pixels of a line of notes."""

_LEGEND: Final = 240
"""Pixels that the legend takes at the right."""

_FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',Helvetica,Arial,sans-serif"
_STYLE: Final = (
    f"text{{font-family:{_FONT}}}.ground{{fill:#fff}}.ink{{fill:#1f2328}}.quiet{{fill:#59636e}}"
    "@media(prefers-color-scheme:dark){.ground{fill:#0d1117}.ink{fill:#f0f6fc}.quiet{fill:#9198a1}}"
)


def svg_of(images: Sequence[Contents]) -> str:
    """Return the SVG document. It is light or dark as its reader's browser is, and needs nothing from elsewhere."""
    panels: list[str] = []
    height = 0
    for number, contents in enumerate(images):
        panels.append(_panel(contents, number, height))
        height += _ABOVE + HEIGHT + _BELOW + _LINE * len(list(notes_of(contents)))
    width = WIDTH + 2 * _MARGIN
    named = escaped(", ".join(dict.fromkeys(contents.name for contents in images)))
    described = escaped(
        " ".join(f"{facts_of(contents)}. {' '.join(notes_of(contents))}" for contents in images)
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"',
            'role="img" aria-labelledby="title description">',
            f'<title id="title">What is in {named}, by package and layer</title>',
            f'<desc id="description">{described}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{width}" height="{height}" rx="6"/>',
            *panels,
            "</svg>\n",
        ]
    )


def _panel(contents: Contents, number: int, top: int) -> str:
    """One image: its name and what is known of it, the boxes, and the notes."""
    within = Rect(_MARGIN, top + _ABOVE, WIDTH, HEIGHT)
    notes = enumerate(notes_of(contents), start=1)
    return "\n".join(
        [
            _text(_MARGIN, top + 27, fitted(contents.name, WIDTH, 18), "ink", size=18, weight=600),
            _text(_MARGIN, top + 47, fitted(facts_of(contents), WIDTH - _LEGEND, 13), "quiet", size=13),
            *_legend(len(contents.layers), top + 37),
            treemap(contents, boxes_of(contents, within), prefix=f"image-{number}-"),
            *(
                _text(_MARGIN, within.y + HEIGHT + _LINE * line, fitted(note, WIDTH, 12), "quiet", size=12)
                for line, note in notes
            ),
        ]
    )


def _legend(layers: int, y: float) -> Iterator[str]:
    """The colours from the lowest layer to the highest, at the right; one layer needs none."""
    if layers < 2:
        return
    steps = min(layers, 24)
    step, right = 96 / steps, _MARGIN + WIDTH
    begin = right - 50 - 96
    yield _text(begin - 6, y + 10, "lowest layer", "quiet", size=12, anchor="end")
    yield from (
        f'<rect x="{begin + place * step:.2f}" y="{y:.0f}" width="{step:.2f}" height="12" fill="{colour_of(place, steps)}"/>'
        for place in range(steps)
    )
    yield _text(right, y + 10, "highest", "quiet", size=12, anchor="end")


def _text(
    x: float, y: float, text: str, kind: str, *, size: int, weight: int = 400, anchor: str = "start"
) -> str:
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place} font-size="{size}" font-weight="{weight}">{escaped(text)}</text>'
