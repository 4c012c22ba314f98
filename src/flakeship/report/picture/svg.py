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
_BELOW: Final = 72
_FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',Helvetica,Arial,sans-serif"
_STYLE: Final = (
    f"text{{font-family:{_FONT}}}.ground{{fill:#fff}}.ink{{fill:#1f2328}}.quiet{{fill:#59636e}}"
    "@media(prefers-color-scheme:dark){.ground{fill:#0d1117}.ink{fill:#f0f6fc}.quiet{fill:#9198a1}}"
)


def svg_of(images: Sequence[Contents]) -> str:
    """Return the SVG document. It is light or dark as its reader's browser is, and needs nothing from elsewhere."""
    each = _ABOVE + HEIGHT + _BELOW
    width, height = WIDTH + 2 * _MARGIN, each * len(images)
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
            *(_panel(contents, number, number * each) for number, contents in enumerate(images)),
            "</svg>\n",
        ]
    )


def _panel(contents: Contents, number: int, top: int) -> str:
    within = Rect(_MARGIN, top + _ABOVE, WIDTH, HEIGHT)
    below = within.y + HEIGHT
    return "\n".join(
        [
            _text(_MARGIN, top + 27, fitted(contents.name, WIDTH, 18), "ink", size=18, weight=600),
            _text(_MARGIN, top + 47, fitted(facts_of(contents), WIDTH, 13), "quiet", size=13),
            treemap(contents, boxes_of(contents, within), prefix=f"image-{number}-"),
            *_ramp(len(contents.layers), below + 11),
            *(
                _text(_MARGIN, below + 40 + 17 * line, fitted(note, WIDTH, 12), "quiet", size=12)
                for line, note in enumerate(notes_of(contents))
            ),
        ]
    )


def _ramp(layers: int, y: float) -> Iterator[str]:
    """The colours from the lowest layer to the highest."""
    if layers < 2:
        return
    steps, width = min(layers, 24), 9
    yield _text(_MARGIN, y + 10, "lowest layer", "quiet", size=12)
    left = _MARGIN + 78
    yield from (
        f'<rect x="{left + step * width}" y="{y:.0f}" width="{width}" height="12" fill="{colour_of(step, steps)}"/>'
        for step in range(steps)
    )
    yield _text(left + steps * width + 8, y + 10, "highest", "quiet", size=12)


def _text(x: float, y: float, text: str, kind: str, *, size: int, weight: int = 400) -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}">{escaped(text)}</text>'
