"""A number and the noun that it counts, for texts that people read: `1 layer`, `2 layers`."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return the number before the noun; `plural` where an s behind the noun does not make it."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
