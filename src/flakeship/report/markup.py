"""Pieces of a CI job's page as Markdown: escaped text, links, tables, parts that open by a click.

GitHub and GitLab render the same dialect. Both remove styles, scripts and inline pictures, so bars are made of text.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Final

from flakeship.printable import printable
from flakeship.redaction import redacted

MESSAGE: Final = 2_000
"""Characters of an error, a warning or a notice that a page shows."""

_WIDTH: Final = 160
_BAR: Final = 20
_MARKUP: Final = re.compile(r"[\\`*_\[\]<>&~|#$@{}!^:]|^[-+=]|(?<=\d)[.)](?= |$)|(?<=\bwww)\.", re.IGNORECASE)
"""Characters that are markup in CommonMark, in tables, or in the extensions of GitHub and GitLab.

The extensions are emoji, mentions, formulas and links.
"""

_EIGHTHS: Final = " ▏▎▍▌▋▊▉"
_URL: Final = re.compile(r"https?://[A-Za-z0-9.:-]+(?:/[A-Za-z0-9._~%+-]*)*")
"""Addresses in which nothing is markup, nor ends a link. They name no user."""

_LEFT_OUT: Final = "The rest is left out: it is too long.\n"


def escaped(text: str, width: int = _WIDTH) -> str:
    """Return `text` as one line of at most `width` characters in which nothing is markup.

    A numeric character reference is never markup: https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references
    """
    line = " ".join(printable(redacted(text).replace("\n", " ")).split())
    cut = line if len(line) <= width else line[: width - 1] + "…"
    # docs/decisions.md#job-pages-escape-text-by-character-references
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", cut)


def code(text: str) -> str:
    """Return `text` in letters of equal width."""
    return f"<code>{escaped(text)}</code>"


def codes(texts: Sequence[str], most: int) -> str:
    """Return the first `most` texts as code, with blanks between, and how many are left out."""
    shown = [code(text) for text in texts[:most]]
    return " ".join([*shown, f"… and {len(texts) - most} more"] if len(texts) > most else shown)


def link(text: str, url: str) -> str:
    """Return a link; only the text where the address has a character that could be markup."""
    return f"[{escaped(text)}]({url})" if _URL.fullmatch(url) else escaped(text)


def fenced(text: str, language: str = "") -> str:
    """Return text to be shown, and copied, as it is. No line of it ends the block."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
    return f"{fence}{language}\n{text}\n{fence}"


def table(head: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a table. `align` has a letter for each column: `r` for right, another for left."""
    rule = ["---:" if side == "r" else ":---" for side in align]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def folded(title: str, text: str) -> str:
    """Return a part that opens by a click. The empty lines matter: without them a table is shown as text."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def alert(kind: str, text: str, hint: str = "") -> str:
    """Return a coloured box; empty where nothing is left of the text: https://docs.github.com/get-started/writing-on-github#alerts."""
    lines = [line for line in (escaped(text, MESSAGE), escaped(hint, MESSAGE)) if line]
    return f"> [!{kind}]\n> " + "\n> <br>".join(lines) if lines else ""


def bar(value: float, largest: float) -> str:
    """Return a bar of up to 20 characters; it is empty only for a value of 0."""
    eighths = max(1, round(_BAR * 8 * value / largest)) if value and largest else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def page_of(parts: Iterable[str]) -> str:
    """Join parts to a page. An empty line stands between them, and before whatever is appended to the page later.

    HTML goes on until an empty line: https://spec.commonmark.org/0.31.2/#html-blocks. A heading right below
    `</details>` would be shown as text.
    """
    return "\n\n".join(filter(None, parts)) + "\n\n"


def appended(page: str, *, to_something: bool) -> str:
    """Return what to write for `page` behind what stands there already, whoever wrote that, so that it begins anew."""
    return f"\n\n{page}" if to_something else page


def shortened(page: str, limit: int) -> str:
    """Leave out whole parts from the end until the page has at most `limit` bytes: half a table would spoil it.

    What can't be made so short is empty.
    """
    if _size(page) <= limit:
        return page
    parts = page.rstrip("\n").split("\n\n")
    outside = itertools.takewhile(_is_closed, parts)
    folds = [number for number, part in enumerate(outside) if part.startswith("<details>")]
    for number in reversed(folds):
        short = page_of([*parts[:number], _LEFT_OUT.rstrip("\n")])
        if _size(short) <= limit:
            return short
    short = page_of([parts[0], _LEFT_OUT.rstrip("\n")])
    return next((text for text in (short, _LEFT_OUT + "\n") if _size(text) <= limit), "")


def _is_closed(part: str) -> bool:
    """Return False for the beginning of a block of code that goes on behind an empty line."""
    fence = re.match("`{3,}", part)
    return fence is None or part.endswith(f"\n{fence[0]}")


def _size(text: str) -> int:
    return len(text.encode(errors="backslashreplace"))
