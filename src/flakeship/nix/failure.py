"""A nix command that failed: the value that the catalogue of explain.py looks at."""

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
    """A nix command that failed: what it was to build, its exit status, and its log."""

    nix: Nix
    installable: Installable
    returncode: int
    log: Log = field(default_factory=lambda: Log(ignore))

    @property
    def text(self) -> str:
        """The error messages of Nix; without any, the last lines that it or the program around it printed."""
        return "\n".join(self.log.errors) or "\n".join(self.log.other_lines)

    @property
    def end(self) -> str:
        """The lines of `text` around its last `error:`, without most of the evaluation trace above it."""
        lines = self.text.strip().splitlines()
        last = max(
            (number for number, line in enumerate(lines) if line.lstrip().startswith("error:")), default=0
        )
        first = max(0, min(last - TAIL // 3, len(lines) - TAIL))
        return "\n".join(lines[first : first + TAIL])

    @property
    def cache(self) -> str:
        """The URL of the cache that we added and that failed the build; empty if no such cache did.

        It is all their URLs if a path was corrupt and Nix does not say whose. The setting `fallback` does not help then,
        and Nix 2.8 aborts when a cache stops responding: https://github.com/NixOS/nix/issues/11511.
        """
        output = "\n".join((*self.log.errors, *self.log.other_lines))
        named = (url for url in self.nix.caches if f"'{url}" in output)
        corrupt = self.nix.caches and _CORRUPT.search(output)
        return next(named, " ".join(self.nix.caches) if corrupt else "")

    def tail(self, drv: str) -> str:
        """Return the end of the log of one derivation's builder; without a log, `end`."""
        return "\n".join(self.log.tails.get(drv, ())) or self.end
