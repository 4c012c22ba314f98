"""Which of the words that are known a word nearly is: by the letters that would have to change, measured by its length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_SHORTEST_START: Final = 3
"""Letters by which a word that goes on, or was cut short, is told."""


def nearest_word(word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` is nearly; empty if no word is near. Case and dashes in front don't count."""
    wanted = _plain(word)
    best, least = "", (2, 0)
    for each in known:
        if (measured := _measured(wanted, _plain(each))) is not None and measured < least:
            best, least = each, measured
    return best


def misspelt_word(word: str, known: Iterable[str]) -> str:
    """The known word of which `word` is a misspelling; a word that goes on, or is cut short, is not a misspelling."""
    near = nearest_word(word, known)
    measured = _measured(_plain(word), _plain(near)) if near else None
    return near if measured and measured[0] == 0 else ""


def _measured(wanted: str, known: str) -> tuple[int, int] | None:
    """How far two words are apart, to be compared with others; None where they are not near."""
    limit = _limit(max(len(wanted), len(known)))
    # most of ten thousands of names are told apart by this alone
    if abs(len(wanted) - len(known)) <= limit and len(set(wanted) ^ set(known)) <= 2 * limit:
        changes = _changes(wanted, known)
        if changes <= limit:
            return 0, changes
    shorter, longer = sorted((wanted, known), key=len)
    if len(shorter) >= _SHORTEST_START and longer.startswith(shorter):
        return 1, len(longer) - len(shorter)
    return None


def _limit(length: int) -> int:
    """The letters that may differ: none of two, one of seven, two of eleven, three of more."""
    return min(3, max(1, length // 4)) if length > 2 else 0


def _plain(word: str) -> str:
    return word.lstrip("-").casefold()


def _changes(word: str, other: str) -> int:
    """The letters to add, drop, change, or swap with the next, of which each is touched once (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(word, 1):
        current = [place]
        for column, its in enumerate(other, 1):
            cost = min(row[column] + 1, current[-1] + 1, row[column - 1] + (letter != its))
            if place > 1 and column > 1 and letter == other[column - 2] and word[place - 2] == its:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, row = row, current
    return row[-1]
