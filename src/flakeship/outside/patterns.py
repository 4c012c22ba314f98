"""Regular expressions of others: what their languages have in common for a translation, and matching that ends in time.

The engine is the package regex, whose searches take a limit of time; Python's re has none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import regex

    Match: TypeAlias = regex.Match[str]

# docs/decisions.md#patterns-of-others-run-within-a-limit
SECONDS: Final = 5.0
"""Computing time for all that one pattern is used for."""

Ranges: TypeAlias = Sequence[tuple[int, int]]
"""Characters by their code points; both ends of a range belong to it."""

DIGITS: Final[Ranges] = ((0x30, 0x39),)
WORD: Final[Ranges] = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))

_LAST: Final = 0x10FFFF


class TooSlowError(Exception):
    """A pattern has used up its time. The message is the end of a sentence about the pattern."""


class Pattern:
    """A pattern of the package regex. It may be used by several threads."""

    def __init__(self, source: str, *, seconds: float = SECONDS) -> None:
        """Compile. ValueError with a reason for what is no pattern, or is nested too deeply."""
        import regex

        try:
            self._compiled = regex.compile(source, regex.V0)
        except regex.error as error:
            raise ValueError(str(error)) from None
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        self._limit = self._left = seconds

    def search(self, text: str, start: int = 0) -> Match | None:
        """Return the first match at or behind `start`. TooSlowError if the time of the pattern is used up."""
        begun = time.thread_time()
        try:
            if self._left <= 0:
                raise TimeoutError
            return self._compiled.search(text, start, timeout=self._left)
        except TimeoutError:
            self._left = 0
            raise TooSlowError(f"takes more than {self._limit:g} seconds on {text[:100]!a}") from None
        finally:
            self._left -= time.thread_time() - begun


class Cursor:
    """A place in the text of a pattern, which moves on as the text is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def rest(self) -> bool:
        """Whether anything is left."""
        return self.at < len(self.text)

    def sees(self, *words: str) -> bool:
        """Whether one of `words` comes next."""
        return self.text.startswith(words, self.at)

    def take(self, word: str) -> bool:
        """Read `word`, if it comes next."""
        if not self.sees(word):
            return False
        self.at += len(word)
        return True

    def next(self) -> str:
        """Read one character. ValueError at the end."""
        if not self.rest:
            raise ValueError("it ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def until(self, end: str, what: str) -> str:
        """Read up to `end` and past it, and return what stands before it. ValueError with `what` if it never comes."""
        found = self.text.find(end, self.at)
        if found < 0:
            raise ValueError(f"{what} is never closed")
        before, self.at = self.text[self.at : found], found + len(end)
        return before


def literal(character: str | int) -> str:
    """Write one character so that it stands for itself, also within a set."""
    code = ord(character) if isinstance(character, str) else character
    if chr(code).isascii() and chr(code).isalnum():
        return chr(code)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_of(ranges: Ranges, properties: Iterable[str] = (), *, negated: bool = False) -> str:
    """Write a set of characters. `properties` are `\\p{…}` and `\\P{…}`. An empty set matches nothing."""
    inside = "".join(properties) + "".join(
        literal(low) if low == high else f"{literal(low)}-{literal(high)}" for low, high in ranges
    )
    if inside:
        return f"[{'^' * negated}{inside}]"
    return "(?s:.)" if negated else "(?!)"


def complement(ranges: Ranges) -> Ranges:
    """Return all characters but these."""
    out, low = [], 0
    for first, last in sorted(ranges):
        if low < first:
            out.append((low, first - 1))
        low = max(low, last + 1)
    return (*out, (low, _LAST)) if low <= _LAST else tuple(out)


def word_boundary(*, negated: bool) -> str:
    """Write `\\b` or `\\B` for the letters of ASCII."""
    word = one_of(WORD)
    if negated:
        return f"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"
    return f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
