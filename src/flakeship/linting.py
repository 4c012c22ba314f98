"""Where lint stands in a run: layers are watched as they pass, and findings told before the first tag is written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from flakeship import events
from flakeship.errors import RejectedError
from flakeship.image.model import Layer, Packed
from flakeship.lint.facts import Finding, facts_of, no_way
from flakeship.lint.glimpse import Glimpses
from flakeship.lint.rules import findings
from flakeship.nix.why import way_to
from flakeship.obtain import Builder

Mode = str
"""off, warn or strict: the choices of the input."""

_HINT: Final = "mend them in the flake, or set the input `lint` to `warn`"


class Lint:
    """One run's; `off` looks at nothing. The Nix of `builder` is asked why something is there."""

    def __init__(self, mode: Mode, emit: events.Emit, builder: Builder | None = None) -> None:
        self._mode, self._emit = mode, emit
        self._way_to = partial(way_to, builder.nix) if builder else no_way
        self._glimpses = Glimpses()
        self._told: set[str] = set()

    def watched(self, layers: Iterable[Layer]) -> Iterable[Layer]:
        return layers if self._mode == "off" else map(self._glimpses.watch, layers)

    def check(self, packed: Packed) -> None:
        """RejectedError with `strict` for anything but hints. Speaks once, however often an image is finished."""
        if self._mode == "off" or packed.descriptor.digest in self._told:
            return
        self._told.add(packed.descriptor.digest)
        found = findings(facts_of(packed, self._glimpses, self._way_to))
        grave = [finding for finding in found if finding.level == "warning"]
        if self._mode == "strict" and grave:
            raise RejectedError(
                f"lint rejects the image: {', '.join(finding.rule for finding in grave)}",
                hint=_HINT,
                detail="\n".join(f"{finding.rule}: {finding.text}\n    {finding.mend}" for finding in grave),
            )
        for finding in found:
            self._emit(_event(finding))


def _event(finding: Finding) -> events.Event:
    if finding.level == "warning":
        return events.Warned(f"lint: {finding.rule}: {finding.text}", finding.mend)
    return events.Notice(f"lint: {finding.rule}: {finding.text} ({finding.mend})")
