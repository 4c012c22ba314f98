"""Reads the regular expressions of Go, which nix2container's `perms` and rewrites hold: https://pkg.go.dev/regexp/syntax."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from flakeship.outside.patterns import (
    DIGITS,
    WORD,
    Cursor,
    Pattern,
    Ranges,
    complement,
    literal,
    one_of,
    word_boundary,
)

if TYPE_CHECKING:
    from flakeship.outside.patterns import Match

_BLANK: Final[Ranges] = ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))
_UPPER: Final[Ranges] = ((0x41, 0x5A),)
_LOWER: Final[Ranges] = ((0x61, 0x7A),)
_NAMED: Final[Mapping[str, Ranges]] = {
    "alnum": (*DIGITS, *_UPPER, *_LOWER),
    "alpha": (*_UPPER, *_LOWER),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": DIGITS,
    "graph": ((0x21, 0x7E),),
    "lower": _LOWER,
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": _UPPER,
    "word": WORD,
    "xdigit": (*DIGITS, (0x41, 0x46), (0x61, 0x66)),
}
_LETTERED: Final[Mapping[str, Ranges]] = {
    "d": DIGITS,
    "D": complement(DIGITS),
    "s": _BLANK,
    "S": complement(_BLANK),
    "w": WORD,
    "W": complement(WORD),
}
_CONTROLS: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_QUANTIFIER: Final = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}", re.ASCII)
_POSIX: Final = re.compile(r"\[:(\^?)([a-z]+):\]")
_FLAGS: Final = re.compile(r"([imsU]*)(?:(-)([imsU]+))?([:)])")
_OCTAL: Final = re.compile(r"[1-7][0-7]{1,2}|0[0-7]{0,2}")
_HEXADECIMAL: Final = re.compile(r"x(?:([0-9a-fA-F]{2})|\{([0-9a-fA-F]{1,8})\})")
_PROPERTY: Final = re.compile(r"([A-Z])|\{(\^?)([A-Za-z_]+)\}")
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+)|(\$))")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,7}")


class GoPattern:
    """A compiled pattern. TooSlowError by each of its functions, where the limit of its time is reached."""

    def __init__(self, source: str) -> None:
        """Read the pattern. ValueError says what of it is unknown or wrong."""
        self.source = source
        translation = _Translation(source)
        self._pattern = Pattern(translation.whole())
        self._names = translation.names

    def matches(self, text: str) -> bool:
        """Whether it is found anywhere in `text`."""
        return self._pattern.search(text) is not None

    def replaced(self, text: str, template: str) -> str:
        """Do what Regexp.ReplaceAllString does: an empty match right behind another match is left alone."""
        out, done, position = [], 0, 0
        while position <= len(text) and (found := self._pattern.search(text, position)):
            start, end = found.span()
            out.append(text[done:start])
            if end > done or start == 0:
                out.append(self._expanded(template, found))
            done = end
            position = max(position + 1, end)
        return "".join(out) + text[done:]

    def _expanded(self, template: str, found: Match) -> str:
        """Fill in a replacement as https://pkg.go.dev/regexp#Regexp.Expand does: what names no group is empty."""

        def value(variable: re.Match[str]) -> str:
            if variable[3]:
                return "$"
            name = variable[1] or variable[2]
            number = int(name) if _NUMBER.fullmatch(name) else self._names.get(name, -1)
            return (found[number] or "") if 0 <= number <= len(found.groups()) else ""

        return _VARIABLE.sub(value, template)


@dataclass(frozen=True, slots=True)
class _Mode:
    i: bool = False
    m: bool = False
    s: bool = False
    U: bool = False

    def cased(self, text: str) -> str:
        return f"(?i:{text})" if self.i else text


class _Translation(Cursor):
    """Turns a pattern into one of the package regex, with the same groups. ValueError for what is no pattern of Go."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.names: dict[str, int] = {}
        self._opened = 0

    def whole(self) -> str:
        try:
            out = self._alternatives(_Mode())
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if self.rest:
            raise ValueError("a ) closes nothing")
        return out

    def _alternatives(self, mode: _Mode) -> str:
        out: list[str] = []
        while self.rest and not self.sees(")"):
            if self._sees_times():
                if not out or out[-1] == "|":
                    raise ValueError(f"nothing stands before {self.text[self.at]} to repeat")
                out[-1] = self._repeated(out[-1], mode)
            elif self.take("|"):
                out.append("|")
            elif self.sees("(?") and (found := _FLAGS.match(self.text, self.at + 2)) and found[4] == ")":
                mode = _changed(mode, found)
                self.at = found.end()
            elif self.take(r"\Q"):
                out += self._quoted(mode)
            else:
                out.append(self._atom(mode))
        return "".join(out)

    def _sees_times(self) -> bool:
        return self.sees("*", "+", "?") or _QUANTIFIER.match(self.text, self.at) is not None

    def _quoted(self, mode: _Mode) -> list[str]:
        end = self.text.find(r"\E", self.at)
        words = self.text[self.at :] if end < 0 else self.text[self.at : end]
        self.at = len(self.text) if end < 0 else end + 2
        return [mode.cased(literal(character)) for character in words]

    def _atom(self, mode: _Mode) -> str:
        character = self.next()
        match character:
            case "^":
                return "(?m:^)" if mode.m else r"\A"
            case "$":
                return "(?m:$)" if mode.m else r"\Z"
            case ".":
                return "(?s:.)" if mode.s else r"[^\n]"
            case "(":
                return self._group(mode)
            case "[":
                return mode.cased(self._set())
            case "\\":
                return self._escape(mode)
            case _:
                return mode.cased(literal(character))

    def _repeated(self, atom: str, mode: _Mode) -> str:
        if found := _QUANTIFIER.match(self.text, self.at):
            self.at = found.end()
            low, high = int(found[1]), int(found[3] or found[1])
            if max(low, high) > 1000 or low > high:
                raise ValueError(f"{found.group()} is not a number of repetitions")
            times = f"{{{low}{found[2] or ''}{found[3] or ''}}}"
        else:
            times = self.next()
        lazy = self.take("?") is not mode.U
        if self._sees_times():
            raise ValueError("a repetition stands right behind another one")
        return f"(?:{atom}){times}{'?' * lazy}"

    def _group(self, mode: _Mode) -> str:
        opening = "("
        if self.take("?P<") or self.take("?<"):
            name = self.until(">", "the name of a group")
            if not re.fullmatch(r"\w+", name) or name in self.names:
                raise ValueError(f"{name!r} is not the name of a group, or of two")
            self.names[name] = self._opened + 1
        elif self.take("?"):
            found = _FLAGS.match(self.text, self.at)
            if not found:
                raise ValueError(f"(?{self.text[self.at : self.at + 1]} begins no group of Go")
            self.at = found.end()
            opening, mode = "(?:", _changed(mode, found)
        self._opened += opening == "("
        inside = self._alternatives(mode)
        if not self.take(")"):
            raise ValueError("a group is never closed")
        return f"{opening}{inside})"

    def _escape(self, mode: _Mode) -> str:
        match self.text[self.at : self.at + 1]:
            case "A":
                self.at += 1
                return r"\A"
            case "z":
                self.at += 1
                return r"\Z"
            case "b" | "B":
                return word_boundary(negated=self.next() == "B")
            case _:
                pass
        found = self._set_or_character()
        return mode.cased(literal(found) if isinstance(found, int) else f"[{found}]")

    def _set_or_character(self) -> int | str:
        """Read what stands behind a backslash: a character, or what a set of them has within its brackets."""
        start = self.at
        character = self.next()
        if character in _LETTERED:
            return _inside(_LETTERED[character])
        if character in "pP":
            return self._property(negated=character == "P")
        if character in _CONTROLS:
            return _CONTROLS[character]
        if found := _OCTAL.match(self.text, start):
            self.at = found.end()
            return int(found.group(), 8)
        if found := _HEXADECIMAL.match(self.text, start):
            self.at = found.end()
            code = int(found[1] or found[2], 16)
            if code <= 0x10FFFF:
                return code
        if character.isascii() and not character.isalnum():
            return ord(character)
        raise ValueError(f"\\{character} is not an escape of Go")

    def _property(self, *, negated: bool) -> str:
        found = _PROPERTY.match(self.text, self.at)
        if not found:
            raise ValueError("\\p needs the name of a property")
        self.at = found.end()
        letter = "P" if negated is not bool(found[2]) else "p"
        return f"\\{letter}{{{found[1] or found[3]}}}"

    def _set(self) -> str:
        """Read what stands behind `[`."""
        negated = self.take("^")
        inside: list[str] = []
        first = True
        while first or not self.take("]"):
            first = False
            if found := _POSIX.match(self.text, self.at):
                if found[2] not in _NAMED:
                    raise ValueError(f"{found.group()} is not a class of characters")
                self.at = found.end()
                ranges = _NAMED[found[2]]
                inside.append(_inside(complement(ranges) if found[1] else ranges))
                continue
            low = self._member()
            if not isinstance(low, int):
                inside.append(low)
            elif self.sees("-") and not self.sees("-]"):
                self.at += 1
                high = self._member()
                if not isinstance(high, int) or low > high:
                    raise ValueError("the ends of a range are out of order")
                inside.append(_inside(((low, high),)))
            else:
                inside.append(_inside(((low, low),)))
        return one_of((), inside, negated=negated)

    def _member(self) -> int | str:
        if not self.rest:
            raise ValueError("a set is never closed")
        character = self.next()
        return self._set_or_character() if character == "\\" else ord(character)


def _changed(mode: _Mode, found: re.Match[str]) -> _Mode:
    return replace(mode, **dict.fromkeys(found[1], True), **dict.fromkeys(found[3] or "", False))


def _inside(ranges: Ranges) -> str:
    return one_of(ranges)[1:-1]
