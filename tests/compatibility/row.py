"""A row of what is read, written or run, whose it is, and the tests that show it.

A row says how its tests come by the other side: `programs` are run by them, `recorded` is what one printed elsewhere and
is kept with the tests, `imitated` is made by the tests in its name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`whose` says who writes what we read, or reads what we write. `figures` are names in docs/reliability.json, of what
    `./dev faults` measures. `kinds` are modules of ours that are shown by this row.
    """

    what: str
    whose: str
    tests: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    recorded: str = ""
    imitated: str = ""
    figures: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
