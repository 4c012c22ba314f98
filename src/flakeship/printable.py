"""How text is shown: that of others made safe for a terminal, a CI log and a page, and a number with its noun.

Nothing in safe text is obeyed, or reorders what is shown.
"""

from __future__ import annotations

import re
from typing import Final

# Sequences of ECMA-48 (colours, movements of the cursor) and of xterm (window titles), each within one line, so that
# text can't hide the lines that follow it. Then every control character but tab and line feed, the separators that
# split a line for some readers only, and the marks that reorder text (https://trojansource.codes/trojan-source.pdf).
_SEQUENCE: Final = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)"
_CHARACTERS: Final = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"

_ONE: Final = re.compile(rf"{_SEQUENCE}|[{_CHARACTERS}]")
_CHARACTER: Final = re.compile(f"[{_CHARACTERS}]")
_RUN: Final = re.compile(rf"(?:{_SEQUENCE}|[{_CHARACTERS}\n\t])+")


def printable_lines(text: str) -> str:
    """Remove control characters and sequences from `text`; its lines and tabs stay."""
    return _ONE.sub("", text)


def printable(text: str) -> str:
    """Remove control characters and sequences from `text`, line feeds too; its tabs stay."""
    return printable_lines(text).replace("\n", "")


def escaped_json(text: str) -> str:
    """Write the control characters that JSON may hold as they are (delete, those of ISO 6429, marks that reorder) as escapes."""
    return _CHARACTER.sub(lambda hit: f"\\u{ord(hit[0]):04x}", text)


def one_line(text: str, limit: int = 500) -> str:
    """Replace each run of control characters and sequences by a space, and cut what is longer than `limit` characters.

    Made for what servers answer: only the first four times `limit` characters are looked at.
    """
    clean = _RUN.sub(" ", text[: limit * 4]).strip()
    whole = len(clean) <= limit and len(text) <= limit * 4
    return clean if whole else clean[: limit - 1] + "…"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return the number before the noun it counts: `1 layer`, `2 layers`; `plural` where no s makes it."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
