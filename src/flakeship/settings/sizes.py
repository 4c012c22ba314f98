"""Sizes with a unit, read as Nix reads `min-free` and docker `--memory`: K, M, G and T are powers of 1024.

https://nix.dev/manual/nix/latest/command-ref/conf-file and https://github.com/docker/go-units/blob/master/size.go
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from flakeship.errors import UsageError

_UNITS: Final = ("B", "K", "M", "G", "T")
_SIZE: Final = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(?:(B)|([KMGT])(?:I?B)?)", re.ASCII | re.IGNORECASE
)


# docs/decisions.md#a-size-has-a-unit
def parse_size(name: str, text: str) -> int:
    """Return the bytes that `5G`, `1.5 GiB` or `512mb` mean, rounded down. Only 0 needs no unit.

    `name` is the input that holds the text. UsageError for a bare number, and for what is no size.
    """
    word = text.strip()
    if word == "0":
        return 0
    if hit := _SIZE.fullmatch(word):
        unit = (hit[2] or hit[3]).upper()
        return int(Fraction(hit[1]) * 1024 ** _UNITS.index(unit))
    if word.isascii() and word.isdigit():
        raise UsageError(
            f"{name} is {text!r}, which has no unit",
            hint=f"write {word[:15]}M for so many megabytes, or a size such as 512M or 5G",
        )
    raise UsageError(
        f"{name} is {text!r}, which is not a size", hint="write a number and its unit: 512M, 1.5G, or 0"
    )


def spelled_size(size: int) -> str:
    """Return the shortest form that `parse_size` reads as this many bytes."""
    power = max(power for power in range(len(_UNITS)) if size % 1024**power == 0) if size else 0
    return f"{size // 1024**power}{_UNITS[power]}" if size else "0"
