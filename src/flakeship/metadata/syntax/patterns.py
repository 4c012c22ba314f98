"""Matches the regular expressions of JavaScript, which `match` and `pattern` of tag rules hold."""

from __future__ import annotations

import re
from typing import Final

from flakeship.metadata.syntax.pattern_reader import in_units, translated
from flakeship.outside.patterns import Pattern

_DELIMITED: Final = re.compile(r"/(.+)/(.*)", re.DOTALL)


def find_groups(pattern: str, text: str, *, delimited: bool) -> tuple[str | None, ...] | None:
    """Match as `text.match(pattern)` does in JavaScript: return the whole match and its groups, None without a match.

    With `delimited` the pattern may be `/pattern/flags`. With the flag `g` all matches are returned and no groups, as
    String.prototype.match does. ValueError says what is wrong with the pattern; TooSlowError by its limit of time.
    """
    parts = _DELIMITED.fullmatch(pattern) if delimited else None
    source, flags = (parts[1], parts[2]) if parts else (pattern, "")
    try:
        compiled = Pattern(translated(source, flags))
        found = _found(compiled, in_units(text, flags), flags)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return found and tuple(group if group is None else _joined(group) for group in found)


def _found(compiled: Pattern, text: str, flags: str) -> tuple[str | None, ...] | None:
    found = compiled.search(text)
    if "g" not in flags:
        return (found.group(), *found.groups()) if found else None
    matches: list[str] = []
    while found:
        matches.append(found.group())
        start = found.end() + (found.end() == found.start())  # behind an empty match: one further
        found = compiled.search(text, start) if start <= len(text) else None
    return tuple(matches) or None


def _joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
