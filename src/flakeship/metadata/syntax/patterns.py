"""Translates the regular expressions of JavaScript, which `match` and `pattern` hold, to Python's."""

from __future__ import annotations

import re
import warnings
from typing import Final

_DELIMITED: Final = re.compile(r"/(.+)/(.*)", re.DOTALL)
_QUANTIFIER: Final = re.compile(r"\{\d+(?:,\d*)?\}")
_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_NO_EFFECT: Final = "dgyuv"  # indices; global and sticky, which find_groups handles; Unicode
_UNICODE: Final = re.compile(r"(?<!\\)(?:\\\\)*(\\[pPu])\{")


def find_groups(pattern: str, text: str, *, delimited: bool) -> tuple[str | None, ...] | None:
    """Match as `text.match(pattern)` does in JavaScript: return the whole match and its groups, None without a match.

    With `delimited` the pattern may be `/pattern/flags`. With the flag `g` all matches are returned and no groups, as
    String.prototype.match does. ValueError says what is wrong with the pattern.
    """
    parts = _DELIMITED.fullmatch(pattern) if delimited else None
    source, flags = (parts[1], parts[2]) if parts else (pattern, "")
    compiled = _compile(source, flags)
    if "g" in flags:
        return tuple(found.group() for found in compiled.finditer(text)) or None
    found = compiled.match(text) if "y" in flags else compiled.search(text)
    return (found.group(), *found.groups()) if found else None


def _compile(source: str, flags: str) -> re.Pattern[str]:
    for flag in flags:
        if flag not in _FLAGS and flag not in _NO_EFFECT:
            raise ValueError(f"unknown flag {flag!r}")
    if len(set(flags)) < len(flags):
        raise ValueError(f"a flag stands twice in {flags!r}")
    if not {"u", "v"}.isdisjoint(flags) and (found := _UNICODE.search(source)):
        raise ValueError(f"{found[1]}{{…}} is not known here")
    bits = re.ASCII
    for flag in flags:
        bits |= _FLAGS.get(flag, re.NOFLAG)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(_translated(source, multiline="m" in flags), bits)
    except re.error as error:
        raise ValueError(f"{error.msg}") from None


_OUTSIDE: Final = re.compile(
    r"\\k<(?P<back>\w+)>|\\(?P<escaped>[\s\S])|\(\?<(?P<named>[A-Za-z_]\w*)>|\[(?P<negated>\^?)(?P<empty>\])?|(?P<end>\$)|(?P<brace>\{)"
)
_INSIDE: Final = re.compile(r"\\[\s\S]|(?P<end>\])|(?P<special>\[|--|&&|\|\||~~)")


def _translated(source: str, *, multiline: bool) -> str:
    out, position = [], 0
    while found := _OUTSIDE.search(source, position):
        out.append(source[position : found.start()])
        position = found.end()
        if found["back"]:
            out.append(f"(?P={found['back']})")
        elif found["named"]:
            out.append(f"(?P<{found['named']}>")
        elif found["escaped"]:
            out.append(_escape(found["escaped"]))
        elif found["end"]:
            out.append("$" if multiline else r"\Z")
        elif found["brace"]:
            out.append("{" if _QUANTIFIER.match(source, found.start()) else r"\{")
        elif found["empty"]:
            out.append(r"[\s\S]" if found["negated"] else r"(?!)")
        else:
            inside, position = _class(source, position)
            out.append(f"[{found['negated']}{inside}]")
    return "".join(out) + source[position:]


def _class(source: str, start: int) -> tuple[str, int]:
    """Read the inside of a character class; Python would take `[`, `--`, `&&` in it for set operators to come."""
    out, position = [], start
    while found := _INSIDE.search(source, position):
        out.append(source[position : found.start()])
        position = found.end()
        if found["end"]:
            return "".join(out), position
        out.append(f"\\{found.group()}" if found["special"] else _escape(found.group()[1]))
    raise ValueError("unterminated character set")


def _escape(character: str) -> str:
    """JavaScript takes an escape of any letter without a meaning for the letter; Python refuses it."""
    return character if character.isalpha() and character not in "bBdDsSwWfnrtvxu" else f"\\{character}"
