"""What is wrong today and is being mended: a case that is named here must fail, so that whoever mends it takes it off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KNOWN: Final[Mapping[str, str]] = {}
"""Why, by the name of the case."""


def verdict(name: str, problems: list[str]) -> str:
    """What is to be said of a case with these problems; empty where all is as it is meant to be, or known to be wrong."""
    if name not in KNOWN:
        return "; ".join(problems)
    return "" if problems else f"{name!r} is mended: take it off tests/faults/known.py ({KNOWN[name]})"
