"""Images as one HTML page: for each the picture, and below it the same as a table, with a search that filters both.

The page asks for nothing from elsewhere, and a policy of its own forbids all but its own style and script: names in an
image are written by others.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.report.picture.boxes import Box, boxes_of
from flakeship.report.picture.lettering import escaped
from flakeship.report.picture.model import Contents, LayerContents
from flakeship.report.picture.notes import facts_of, notes_of
from flakeship.report.picture.page_assets import SCRIPT, STYLE
from flakeship.report.picture.squarified import Rect
from flakeship.report.picture.treemap import share_of, treemap
from flakeship.report.plain import size_of

_WITHIN: Final = Rect(0, 0, 1160, 640)


def page_of(images: Sequence[Contents]) -> str:
    """Return the HTML document. Of several images one is shown at a time, and all of them where no script runs."""
    name = ", ".join(dict.fromkeys(contents.name for contents in images))
    policy = (
        f"default-src 'none'; style-src '{_source_of(STYLE)}'; script-src '{_source_of(SCRIPT)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>What is in {escaped(name)}</title>",
            f"<style>{STYLE}</style></head>",
            "<body><main>",
            f"<h1>What is in {escaped(name)}</h1>",
            '<form hidden role="search">',
            *_choice(images),
            '<div><label for="search">Search by name or layer (key /)</label>',
            '<input id="search" type="search" autocomplete="off" spellcheck="false"></div>',
            '<output id="found" for="search" aria-live="polite"></output>',
            "</form>",
            *(
                _section(number, contents, _title(contents, images), several=len(images) > 1)
                for number, contents in enumerate(images)
            ),
            "</main>",
            f"<script>{SCRIPT}</script></body></html>\n",
        ]
    )


def _source_of(text: str) -> str:
    """How a policy names what stands in the page: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _choice(images: Sequence[Contents]) -> Iterator[str]:
    if len(images) > 1:
        options = "".join(f"<option>{escaped(_title(each, images))}</option>" for each in images)
        yield f'<div><label for="image">Image</label><select id="image">{options}</select></div>'


def _title(contents: Contents, images: Sequence[Contents]) -> str:
    """What tells an image from the others: its platform, with its name where there are several."""
    several = len({each.name for each in images}) > 1
    return f"{contents.name} {contents.platform}" if several else contents.platform


def _section(number: int, contents: Contents, title: str, *, several: bool) -> str:
    boxes = boxes_of(contents, _WITHIN)
    prefix = f"image-{number}-"
    return "\n".join(
        [
            f'<section aria-label="{escaped(title)}">',
            f"<h2>{escaped(title)}</h2>" if several else "",
            f"<p>{escaped(facts_of(contents))}</p>",
            f'<svg viewBox="0 0 {_WITHIN.width:.0f} {_WITHIN.height:.0f}" role="img"',
            'aria-label="Treemap by package and layer; the table below holds the same">',
            treemap(contents, boxes, prefix=prefix),
            "</svg>",
            *(f"<p>{escaped(note)}</p>" for note in notes_of(contents)),
            "<p>Layers are coloured from dark, the lowest, to light. A click on a box shows its lines alone.</p>",
            "<table><caption>The largest first. Pointing at a name shows its path.</caption>",
            '<thead><tr><th scope="col">Package</th><th scope="col">Size</th>',
            '<th scope="col">Share</th><th scope="col">Layer</th></tr></thead><tbody>',
            *(_line(row, contents.size) for row in _rows(contents, boxes)),
            "</tbody></table></section>",
        ]
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table. `size` is None where only the layer's is known; `box` is the number of the box that it is in, if any."""

    name: str
    path: str
    size: int | None
    compressed: bool
    layer: int
    box: int | None


def _rows(contents: Contents, boxes: Sequence[Box]) -> list[_Row]:
    of_layer, of_package = _places(boxes)
    rows: list[_Row] = []
    for layer in contents.layers:
        whole = of_layer.get(layer.number)
        if layer.measure == "compressed":
            told = layer.digest if layer.packages else f"{layer.text} {layer.digest}".strip()
            rows.append(_Row(_of_whole(layer), told, layer.size, True, layer.number, whole))
        rows += (
            _Row(
                each.name,
                each.path,
                each.size,
                False,
                layer.number,
                of_package.get((layer.number, each.path), whole),
            )
            for each in layer.packages
        )
    return sorted(rows, key=lambda row: (-(row.size or 0), row.layer, row.size is None, row.name, row.path))


def _of_whole(layer: LayerContents) -> str:
    """What the line of a layer is called whose packages have lines of their own."""
    return f"layer {layer.number}" if layer.packages or not layer.text else layer.text


def _places(boxes: Sequence[Box]) -> tuple[Mapping[int, int], Mapping[tuple[int, str], int]]:
    """The number of the box that stands for a layer as a whole, and of that which holds a package of a layer."""
    of_layer: dict[int, int] = {}
    of_package: dict[tuple[int, str], int] = {}
    for number, box in enumerate(boxes):
        if box.packages:
            of_package |= {(box.layers[0].number, each.path): number for each in box.packages}
        else:
            of_layer |= {layer.number: number for layer in box.layers}
    return of_layer, of_package


def _line(row: _Row, whole: int) -> str:
    if row.size is None:
        size, share = "", ""
    else:
        size = f"{size_of(row.size)}{' compressed' if row.compressed else ''}"
        share = share_of(row.size, whole)
    box = f' data-box="{row.box}"' if row.box is not None else ""
    return (
        f'<tr{box} data-size="{row.size or 0}" title="{escaped(row.path)}"><td>{escaped(row.name)}</td><td>{size}</td>'
        f"<td>{share}</td><td>layer {row.layer}</td></tr>"
    )
