"""Reads the regular expressions of JavaScript and writes them for the package regex.

https://tc39.es/ecma262/#sec-patterns, with the older forms of https://tc39.es/ecma262/#sec-regular-expressions-patterns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from flakeship.metadata.syntax.lists import BLANKS
from flakeship.outside.patterns import (
    DIGITS,
    WORD,
    Cursor,
    Ranges,
    complement,
    literal,
    one_of,
    word_boundary,
)

_QUANTIFIER: Final = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_MODIFIERS: Final = re.compile(r"([ims]*)(?:-([ims]*))?:")
_GROUPS: Final = re.compile(r"\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*+(?:\]|\Z)|\((?:\?<(?![=!])([^>]*)>|(?!\?))")
_DECIMAL: Final = re.compile(r"[1-9]\d*", re.ASCII)
_OCTAL: Final = re.compile(r"[0-3][0-7]{0,2}|[4-7][0-7]?")
_HEX: Final = {"x": re.compile(r"[0-9a-fA-F]{2}"), "u": re.compile(r"[0-9a-fA-F]{4}")}
_BRACED: Final = re.compile(r"\{([0-9a-fA-F]+)\}")
_SECOND_HALF: Final = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")

_FLAGS: Final = "dgimsuvy"
_LINE_ENDS: Final[Ranges] = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
_BLANK: Final[Ranges] = tuple((ord(blank), ord(blank)) for blank in BLANKS)
_SETS: Final[dict[str, Ranges]] = {
    "d": DIGITS,
    "D": complement(DIGITS),
    "w": WORD,
    "W": complement(WORD),
    "s": _BLANK,
    "S": complement(_BLANK),
}
_FOLDED: Final[Ranges] = ((0x17F, 0x17F), (0x212A, 0x212A))  # by Unicode's folding an s and a k
_CONTROLS: Final = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_MOST: Final = 1_000_000  # repetitions; no text is longer


def translated(source: str, flags: str) -> str:
    """Write a pattern with the same groups for a text in the same units. ValueError says what is wrong with it."""
    return _Translation(source, flags).whole()


def in_units(text: str, flags: str) -> str:
    """Write the text in the characters that a pattern sees: without the flag `u` those are halves of pairs."""
    if not {"u", "v"}.isdisjoint(flags):
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(units[place] | units[place + 1] << 8) for place in range(0, len(units), 2))


@dataclass(frozen=True, slots=True)
class _Mode:
    """The flags that a part of a pattern may change for itself, and whether the part is a lookbehind."""

    i: bool
    m: bool
    s: bool
    behind: bool = False

    def cased(self, text: str) -> str:
        return f"(?i:{text})" if self.i else text


@dataclass(frozen=True, slots=True)
class _Set:
    ranges: Ranges = ()
    properties: tuple[str, ...] = ()


class _Translation(Cursor):
    def __init__(self, source: str, flags: str) -> None:
        for flag in flags:
            if flag not in _FLAGS:
                raise ValueError(f"unknown flag {flag!r}")
        if len(set(flags)) < len(flags):
            raise ValueError(f"a flag stands twice in {flags!r}")
        if {"u", "v"} <= set(flags):
            raise ValueError("of the flags 'u' and 'v' there may be one")
        super().__init__(in_units(source, flags))
        self._sticky = "y" in flags
        self._sets_of_sets = "v" in flags
        self._unicode = not {"u", "v"}.isdisjoint(flags)
        self._mode = _Mode("i" in flags, "m" in flags, "s" in flags)
        groups = [found for found in _GROUPS.finditer(self.text) if found.group()[0] == "("]
        self._count = len(groups)
        self._names = {found[1]: number for number, found in enumerate(groups, 1) if found[1] is not None}
        if len(self._names) < sum(found[1] is not None for found in groups):
            raise ValueError("two groups of one name are not known here")
        self._opened = 0
        self._closed: set[int] = set()

    def whole(self) -> str:
        out = self._alternatives(self._mode)
        if self.rest:
            raise ValueError("a ) closes nothing")
        return rf"\G(?:{out})" if self._sticky else out

    def _alternatives(self, mode: _Mode) -> str:
        out = []
        while self.rest and not self.sees(")"):
            out.append("|" if self.take("|") else self._term(mode))
        return "".join(out)

    def _term(self, mode: _Mode) -> str:
        """Read an atom or an assertion, and what says how often it stands there."""
        start = self.at
        character = self.next()
        repeatable = True
        match character:
            case "^":
                atom, repeatable = _line_start(mode), False
            case "$":
                atom, repeatable = _line_end(mode), False
            case ".":
                atom = "(?s:.)" if mode.s else one_of(_LINE_ENDS, negated=True)
            case "(":
                atom, repeatable = self._group(mode)
            case "[":
                atom = mode.cased(self._set(mode))
            case "\\" if self.sees("b", "B"):
                atom, repeatable = word_boundary(negated=self.next() == "B"), False
            case "\\":
                atom = self._escape(mode)
            case "*" | "+" | "?":
                raise ValueError(f"nothing stands before {character} to repeat")
            case "{" if _QUANTIFIER.match(self.text, start):
                raise ValueError("nothing stands before { to repeat")
            case "{" | "}" | "]" if self._unicode:
                raise ValueError(f"{character} needs a backslash before it")
            case _:
                atom = mode.cased(literal(character))
        return self._repeated(atom, repeatable=repeatable)

    def _repeated(self, atom: str, *, repeatable: bool) -> str:
        if not self.sees("*", "+", "?") and not _QUANTIFIER.match(self.text, self.at):
            if self._unicode and self.sees("{"):
                raise ValueError("{ needs a backslash before it")
            return atom
        if not repeatable:
            raise ValueError(f"what stands before {self.text[self.at]} can't be repeated")
        lazy = ""
        if found := _QUANTIFIER.match(self.text, self.at):
            self.at = found.end()
            low = min(int(found[1][:10]), _MOST)
            high = low if not found[2] else min(int(found[3][:10]), _MOST) if found[3] else None
            if high is not None and low > high:
                raise ValueError(f"the numbers of {found.group()} are out of order")
            times = f"{{{low},{'' if high is None else high}}}"
        else:
            times = self.next()
        if self.take("?"):
            lazy = "?"
        return f"(?:{atom}){times}{lazy}"

    def _group(self, mode: _Mode) -> tuple[str, bool]:
        number = 0
        repeatable = True
        if self.take("?:"):
            opening = "(?:"
        elif self.sees("?=", "?!"):
            opening, repeatable = f"(?{self.next() and self.next()}", not self._unicode
        elif self.sees("?<=", "?<!"):
            self.at += 3
            opening, repeatable = f"(?<{self.text[self.at - 1]}", False
            mode = replace(mode, behind=True)
        elif not self.sees("?"):
            opening, number = "(", self._next_group()
        elif self.take("?<"):
            name = self.until(">", "the name of a group")
            if not name.replace("$", "_").isidentifier():
                raise ValueError(f"{name!r} is not the name of a group")
            opening, number = "(", self._next_group()
        else:
            opening, mode = "(?:", self._modified(mode)
        inside = self._alternatives(mode)
        if not self.take(")"):
            raise ValueError("a group is never closed")
        if number:
            self._closed.add(number)
        return f"{opening}{inside})", repeatable

    def _next_group(self) -> int:
        self._opened += 1
        return self._opened

    def _modified(self, mode: _Mode) -> _Mode:
        """Read `(?i-m:`: https://tc39.es/ecma262/#prod-Atom."""
        found = _MODIFIERS.match(self.text, self.at + 1)
        added, removed = (found[1], found[2] or "") if found else ("", "")
        if not found or not added + removed or len(set(added + removed)) < len(added + removed):
            raise ValueError(f"(?{self.text[self.at + 1 : self.at + 2]} begins no group")
        self.at = found.end()
        changes = dict.fromkeys(added, True) | dict.fromkeys(removed, False)
        return replace(mode, **changes)

    def _escape(self, mode: _Mode) -> str:
        """Read what stands behind a backslash outside a set."""
        if found := _DECIMAL.match(self.text, self.at):
            number = int(found.group()[:10])
            if number <= self._count:
                self.at = found.end()
                return self._reference(number, mode)
            if self._unicode:
                raise ValueError(f"there is no group {found.group()}")
        if self.sees("k") and (self._names or self._unicode):
            self.at += 1
            name = self.until(">", "the name of a group") if self.take("<") else ""
            if name not in self._names:
                raise ValueError(f"there is no group {name!r}")
            return self._reference(self._names[name], mode)
        found_set = self._member_behind_backslash(mode, inside=False)
        if isinstance(found_set, int):
            return mode.cased(literal(found_set))
        return mode.cased(one_of(found_set.ranges, found_set.properties))

    def _reference(self, number: int, mode: _Mode) -> str:
        """A group that took no part so far matches the empty text, and so does one from within."""
        if number in self._closed:
            same = mode.cased(f"\\g<{number}>")
            return f"(?({number}){same}|)"
        if mode.behind:
            raise ValueError("a reference to a later group in a lookbehind is not known here")
        return "(?:)"

    def _member_behind_backslash(self, mode: _Mode, *, inside: bool) -> int | _Set:
        """Read an escape: a character or a set of them."""
        start = self.at
        character = self.next()
        match character:
            case "W" if mode.i:
                return _Set(complement((*WORD, *_FOLDED)))
            case "d" | "D" | "w" | "W" | "s" | "S":
                return _Set(_SETS[character])
            case "p" | "P" if self._unicode:
                if not self.take("{"):
                    raise ValueError(f"\\{character} needs a name in braces")
                name = _property(self.until("}", "the name of a property"))
                return _Set(properties=(f"\\{character}{{{name}}}",))
            case "t" | "n" | "v" | "f" | "r":
                return _CONTROLS[character]
            case "b" if inside:
                return 8
            case "-" if inside:
                return ord("-")
            case "0" if not self._digit():
                return 0
            case "c":
                return self._control(inside=inside)
            case "x" | "u":
                return self._hexadecimal(character)
            case _ if character in "^$\\.*+?()[]{}|/":
                return ord(character)
        if self._unicode:
            raise ValueError(f"\\{character} is not an escape with the flag 'u' or 'v'")
        if found := _OCTAL.match(self.text, start):
            self.at = found.end()
            return int(found.group(), 8)
        return ord(character)

    def _digit(self) -> bool:
        return self.rest and self.text[self.at] in "0123456789"

    def _control(self, *, inside: bool) -> int:
        letter = self.text[self.at : self.at + 1]
        loose = inside and not self._unicode and (letter.isdecimal() or letter == "_")
        if letter.isascii() and (letter.isalpha() or loose):
            self.at += 1
            return ord(letter) % 32
        if self._unicode:
            raise ValueError("\\c needs a letter")
        self.at -= 1  # the backslash stands for itself
        return ord("\\")

    def _hexadecimal(self, kind: str) -> int:
        if found := _HEX[kind].match(self.text, self.at):
            self.at = found.end()
            code = int(found.group(), 16)
            half = (
                _SECOND_HALF.match(self.text, self.at) if self._unicode and 0xD800 <= code < 0xDC00 else None
            )
            if not half:
                return code
            self.at = half.end()
            return 0x10000 + ((code - 0xD800) << 10) + int(half[1], 16) - 0xDC00
        if not self._unicode:
            return ord(kind)
        found = _BRACED.match(self.text, self.at) if kind == "u" else None
        if not found or int(found[1], 16) > 0x10FFFF:
            raise ValueError(f"\\{kind} needs the number of a character")
        self.at = found.end()
        return int(found[1], 16)

    def _set(self, mode: _Mode) -> str:
        """Read what stands behind `[`."""
        negated = self.take("^")
        ranges: list[tuple[int, int]] = []
        properties: list[str] = []

        def add(member: int | _Set) -> None:
            if isinstance(member, int):
                ranges.append((member, member))
            else:
                ranges.extend(member.ranges)
                properties.extend(member.properties)

        while not self.take("]"):
            low = self._member(mode)
            if not self.sees("-") or self.sees("-]"):
                add(low)
                continue
            self.at += 1
            high = self._member(mode)
            if isinstance(low, int) and isinstance(high, int):
                if low > high:
                    raise ValueError("the ends of a range are out of order")
                ranges.append((low, high))
            elif self._unicode:
                raise ValueError("a set is not an end of a range")
            else:
                for member in (low, ord("-"), high):
                    add(member)
        return one_of(ranges, properties, negated=negated)

    def _member(self, mode: _Mode) -> int | _Set:
        if not self.rest:
            raise ValueError("a set is never closed")
        if self._sets_of_sets and self.sees("[", "--", "&&", r"\q"):
            raise ValueError("sets made of sets, by the flag 'v', are not known here")
        character = self.next()
        return self._member_behind_backslash(mode, inside=True) if character == "\\" else ord(character)


def _property(name: str) -> str:
    if not re.fullmatch(r"\w+(=\w+)?", name, re.ASCII):
        raise ValueError(f"{name!r} is not a property of characters")
    return name


def _line_start(mode: _Mode) -> str:
    return f"(?<!{one_of(_LINE_ENDS, negated=True)})" if mode.m else r"\A"


def _line_end(mode: _Mode) -> str:
    return f"(?!{one_of(_LINE_ENDS, negated=True)})" if mode.m else r"\Z"
