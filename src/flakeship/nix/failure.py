"""A nix that failed: what it left to find the reason in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from flakeship.events import ignore
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from flakeship.nix.log import TAIL, Log

_CORRUPT: Final = re.compile(
    r"hash mismatch importing path|lacks a (?:valid )?signature|NAR .* is corrupt|corrupt NAR"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A nix that failed: what it was asked for, its exit status, and its log."""

    nix: Nix
    installable: Installable
    returncode: int
    log: Log = field(default_factory=lambda: Log(ignore))

    @property
    def text(self) -> str:
        """All that Nix called an error; else the last lines that it, or a program around it, printed."""
        return "\n".join(self.log.errors) or "\n".join(self.log.rest)

    @property
    def end(self) -> str:
        """The lines about the failure itself; those above them are Nix's way through the code."""
        lines = self.text.strip().splitlines()
        last = max(
            (number for number, line in enumerate(lines) if line.lstrip().startswith("error:")), default=0
        )
        first = max(0, min(last - TAIL // 3, len(lines) - TAIL))
        return "\n".join(lines[first : first + TAIL])

    @property
    def cache(self) -> str:
        """The cache of ours that Nix stumbled over, for all its `fallback`: 2.8 even crashes when one falls silent."""
        said = "\n".join((*self.log.errors, *self.log.rest))
        named = (url for url in self.nix.caches if f"'{url}" in said)
        corrupt = self.nix.caches and _CORRUPT.search(said)
        return next(named, " ".join(self.nix.caches) if corrupt else "")

    def tail(self, drv: str) -> str:
        """The end of the log of one builder."""
        return "\n".join(self.log.tails.get(drv, ())) or self.end
