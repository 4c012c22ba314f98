"""Text in a picture: what fits where, and what of others' text is safe in XML and HTML."""

from __future__ import annotations

import re
from typing import Final

from flakeship.printable import printable

_NOT_IN_XML: Final = re.compile("[^\t\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""https://www.w3.org/TR/xml/#charsets, without line ends."""

_ESCAPED: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_GROUPS: Final = {
    0.38: "ijlI.,'|/ ",
    0.46: "f-:;!()[]",
    0.5: "rt_",
    0.6: "csz",
    0.69: "aekovxy",
    0.72: "bdghnpqu0123456789",
    0.85: "ABCDEFGHJKLNOPQRSTUVXYZ+=?",
    0.93: "w",
}
_WIDTHS: Final = {letter: width for width, letters in _GROUPS.items() for letter in letters}
_WIDEST: Final = 1.11
"""Widths of letters as parts of the font size; that of all other letters is the last one."""

_LONGEST: Final = 300
"""Characters of one text; a history may hold a whole script."""

_VERSION: Final = re.compile(r"(?<=.)-(?=[0-9])")
_LANGUAGE: Final = re.compile(r"^[a-z]+[0-9]+(?:\.[0-9]+)+-")
_FEWEST: Final = 4
"""A name is cut to more characters than these; of fewer nobody can tell what they were."""


def escaped(text: str) -> str:
    """Return others' text as one line in which nothing is markup, and that every reader of XML takes."""
    line = " ".join(printable(text.replace("\n", " ")).split())
    cut = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return _NOT_IN_XML.sub("\ufffd", cut).translate(_ESCAPED)


def width_of(text: str, size: float) -> float:
    """Return how wide bold `text` may be at a font size, both in pixels: in DejaVu Sans, the widest of the usual fonts."""
    return size * sum(_WIDTHS.get(letter, _WIDEST) for letter in text)


def fitted(text: str, width: float, size: float) -> str:
    """Return the text if it fits, else what fits of it; empty if little is left.

    That is the name without its version, then without the language before it (`werkzeug` of `python3.12-werkzeug-3.0.6`),
    else its beginning.
    """
    text = " ".join(text.split())[:_LONGEST]
    name = _VERSION.split(_LANGUAGE.sub("", text), maxsplit=1)[0]
    for candidate in (text, _VERSION.split(text, maxsplit=1)[0], name):
        if candidate and width_of(candidate, size) <= width:
            return candidate
    cut = name or text
    while len(cut) > _FEWEST and width_of(f"{cut}…", size) > width:
        cut = cut[:-1]
    return f"{cut}…" if len(cut) > _FEWEST else ""
