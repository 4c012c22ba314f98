"""One installable of the run, and its evaluation, which several of its images may need."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from flakeship.commands.building.builder import Builder
from flakeship.errors import Error
from flakeship.nix.build import BuildOutput
from flakeship.nix.command import Nix
from flakeship.nix.derivation import CHOOSES_OUTPUTS, Derivation, describe
from flakeship.nix.flake import FlakeMetadata
from flakeship.nix.installable import Installable


@dataclass(slots=True)
class Buildable:
    """One installable that the run's builder can build; Nix evaluates it once, for whichever caller needs that first."""

    builder: Builder
    installable: Installable
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _description: Derivation | None = None

    def __str__(self) -> str:
        return str(self.installable)

    def build(self) -> BuildOutput:
        """Build it under the caches of the run. BuildError and ResourceError as `Builder.build`."""
        described = self.described()
        if self.builder.far and (known := described or self._description):
            self.builder.far.keep(known.paths)
        return self.builder.build(self.installable, described)

    def obtain(self) -> BuildOutput:
        """As `build`, but what caches have with all that it needs is left there: `Builder.place_of` reads it."""
        return self.builder.left_in_caches(self) or self.build()

    def described(self) -> Derivation | None:
        """The evaluation, where this Nix needs it to know which outputs are asked for: one before 2.13.

        None where the evaluation fails: the build will say what is wrong, and better. It must not fail where the build
        can fetch nothing.
        """
        if self.builder.evaluates_first:
            return self.description()
        if self.builder.nix.version >= CHOOSES_OUTPUTS:
            return None
        try:
            return self.description()
        except Error:
            return None

    def description(self, nix: Nix | None = None) -> Derivation:
        """Evaluate the installable and return its derivation's own description. May be called from any thread.

        `nix` is the one to evaluate with, if that is not the builder's.
        """
        with self._lock:
            if self._description is None:
                known = self.builder.described.get(self.installable)
                self._description = known or describe(nix or self.builder.evaluating, self.installable)
            return self._description

    def flake(self) -> FlakeMetadata | None:
        """Return the flake's locked source, which Nix fetches for that; None for a file, whose source Nix does not know."""
        return self.builder.source(self.installable)
