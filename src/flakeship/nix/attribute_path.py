"""Attribute paths as Nix reads them behind `#`, and how one is written so that every version of Nix reads it.

A name may stand in quotes, and then hold dots; nothing else is special within the path. Behind `#` it is part of a URL,
so Nix decodes `%20` before it looks at quotes. A name that holds a `"` can't be written at all.
https://github.com/NixOS/nix/blob/2.26.0/src/libexpr/attr-path.cc
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote

_TAKEN_BARE: Final = "!$&'()*+,;=:@/\" %"
"""What the fragment of a URL may hold besides letters, digits and `-._~`. Nix 2.8 takes no other for a URL, and newer
versions then take `path:.#…` for the name of a folder; all of them take the rest as `%XX`."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_':+,;=@/~-]+")
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def fault_in(path: str, *, encoded: bool) -> str:
    """Say why Nix can't read this as an attribute path; empty if it can. `encoded` where `%XX` stands for a byte."""
    if encoded and _ESCAPE.search(path):
        return "a `%` there begins the number of a byte, and stands for itself as `%25`"
    text = unquote(path, errors="replace") if encoded else path
    if re.search(r"\s\S*#", re.sub('"[^"]*"', "", text)):
        return "a second `#` stands in it, and one line names one attribute"
    if text.count('"') % 2:
        return "a quote is not closed"
    if "" in _parts(text)[1:-1] or text in {".", '""'}:
        return "there is no name between two dots"
    return ""


def names_in(path: str, *, encoded: bool) -> tuple[str, ...]:
    """Return the names of a path that Nix can read, without their quotes."""
    parts = _parts(unquote(path, errors="replace") if encoded else path)
    return tuple(part for part in parts if part)


def written(names: Iterable[str], *, encoded: bool = True) -> str:
    """Write a path so that every version of Nix reads these names in it; empty if one of them can't be written."""
    names = tuple(names)
    if any('"' in name or not name for name in names):
        return ""
    quoted = ".".join(name if _PLAIN.fullmatch(name) else f'"{name}"' for name in names)
    return on_command_line(quoted.replace("%", "%25")) if encoded else quoted


def on_command_line(path: str) -> str:
    """Write the path that a user wrote behind `#` in the characters that every version of Nix takes there."""
    # docs/decisions.md#nixs-attribute-paths-are-passed-on-encoded
    return quote(path, safe=_TAKEN_BARE)


def split_at_caret(fragment: str) -> tuple[str, str | None]:
    """Split what follows `#` at the last `^` outside of quotes; None if there is no such `^`."""
    quoted, found = False, -1
    for place, character in enumerate(fragment):
        quoted ^= character == '"'
        if character == "^" and not quoted:
            found = place
    return (fragment, None) if found < 0 else (fragment[:found], fragment[found + 1 :])


def _parts(text: str) -> list[str]:
    parts, quoted = [""], False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif character == "." and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return parts
