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

_OURS: Final = "the cache "
"""How the name of a cache of our own begins."""

_NOT_COPIED: Final = re.compile(r"some substitutes for the outputs of derivation '[^']+' failed")
"""Said of whatever a cache gave that Nix could not put into its store, such as a NAR with a file named `..`."""


# docs/decisions.md#what-an-error-names-comes-from-nixs-words
_SOURCE: Final = re.compile(r"(?m)^ *(?:[0-9]+ *\|.*|\|.*|… .*|at [^\n]*:[0-9]+:[0-9]+:)$\n?")
"""Lines that quote the source of an expression, and the way that the evaluation took through it."""

_PASSWORD: Final = re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]*@|(?:(?<=http://)|(?<=https://))[^/@\s]+@")
"""The user and the password of a URL: Nix and git print the addresses of a flake's inputs as they are written."""

NO_SPACE: Final = re.compile(r"No space left on device|Disk quota exceeded")
"""What stands in a message of whoever could not write because a disk is full."""

_LOG: Final = re.compile(r"(?m)^ *>(?: .*)?$\n?")
"""Lines that quote a builder's log."""

_FAILED_BEFORE: Final = re.compile(
    r"flake output attribute '[^']+' is not a derivation|error: '[^']+' is not an attribute set|cached failure of attribute"
)
"""Said of an attribute whose evaluation failed once, or of one within it: Nix 2.8 keeps that it failed, and not why."""


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
        errors = "\n".join((*self.log.nobody, *self.log.errors) if self.log.errors else ())
        return _PASSWORD.sub("", errors or "\n".join(self.log.other_lines))

    @property
    def said(self) -> str:
        """The words of `text` that are Nix's or a `throw`'s own: without quoted source, quoted logs and the trace."""
        return _LOG.sub("", _SOURCE.sub("", self.text))

    @property
    def told(self) -> str:
        """What may name the cause: the errors without quoted source, and the ends of the builders' logs."""
        logs = (line for tail in self.log.tails.values() for line in tail)
        return "\n".join((_SOURCE.sub("", self.text), *logs))

    @property
    def may_be_cached(self) -> bool:
        """Whether Nix may have said this of an earlier evaluation, whose reason it did not keep."""
        return self.nix.may_answer_from_cache and bool(_FAILED_BEFORE.search(self.said))

    @property
    def around(self) -> str:
        """The last lines of what Nix or the programs that it runs printed, in no format of Nix's: git says there why it failed."""
        return _PASSWORD.sub("", "\n".join(self.log.other_lines))

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
        """The name of the cache of this run that failed the build; empty if no such cache did.

        It is all their names if a path was corrupt, or could not be copied, and Nix does not say whose. The setting
        `fallback` does not help where one is corrupt, and Nix 2.8 aborts when a cache stops responding: https://github.com/NixOS/nix/issues/11511.
        """
        output = self._output
        names = self.nix.substituters.names.values()
        named = (name for name in names if f"'{name}" in output)
        bad = _CORRUPT.search(output) or _NOT_COPIED.search(output)
        found = next(named, " ".join(names) if bad else "")
        return found.removeprefix(_OURS)

    @property
    def damaged_cache(self) -> str:
        """The name of the cache of this run that gave a path which was not what it should be; empty if none did."""
        return self.cache if _CORRUPT.search(self._output) else ""

    @property
    def _output(self) -> str:
        return "\n".join((*self.log.errors, *self.log.other_lines))

    def lacked_space(self, drv: str) -> bool:
        """Whether a disk was full where one derivation was built."""
        return bool(NO_SPACE.search(self.tail(drv)))

    def tail(self, drv: str) -> str:
        """Return the end of the log of one derivation's builder; without a log, `end`."""
        return "\n".join(self.log.tails.get(drv, ())) or self.end
