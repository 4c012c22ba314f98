"""Where lint stands in a run: layers are watched as they pass, and findings told before the first tag is written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.publish.obtain import Builder
from flakeship.errors import RejectedError
from flakeship.image.model import Layer, Packed

if TYPE_CHECKING:  # what the rules know is imported where they are asked
    from flakeship.lint.facts import Finding, WayTo
    from flakeship.lint.glimpse import Glimpses

Mode = str
"""off, warn or strict: the choices of the input."""

_HINT: Final = "mend them in the flake, or set the input `lint` to `warn`"


class Lint:
    """One run's; `off` looks at nothing. The Nix of `builder` is asked why something is there."""

    def __init__(self, mode: Mode, emit: events.Emit, builder: Builder | None = None) -> None:
        self._mode, self._emit = mode, emit
        self._builder = builder
        self._glimpses: Glimpses | None = None
        self._told: set[str] = set()

    def watched(self, layers: Iterable[Layer]) -> Iterable[Layer]:
        if self._mode == "off":
            return layers
        from flakeship.lint.glimpse import Glimpses

        self._glimpses = self._glimpses or Glimpses()
        return map(self._glimpses.watch, layers)

    def check(self, packed: Packed) -> None:
        """RejectedError with `strict` for anything but hints. Speaks once, however often an image is finished."""
        if self._mode == "off" or packed.descriptor.digest in self._told:
            return
        self._told.add(packed.descriptor.digest)
        from flakeship.lint.facts import facts_of
        from flakeship.lint.rules import findings

        found = findings(facts_of(packed, self._glimpses or {}, self._way_to()))
        grave = [finding for finding in found if finding.level == "warning"]
        if self._mode == "strict" and grave:
            raise RejectedError(
                f"lint rejects the image: {', '.join(finding.rule for finding in grave)}",
                hint=_HINT,
                detail="\n".join(f"{finding.rule}: {finding.text}\n    {finding.mend}" for finding in grave),
            )
        for finding in found:
            self._emit(_event(finding))

    def _way_to(self) -> WayTo:
        from flakeship.lint.facts import no_way

        if self._builder is None:
            return no_way
        from flakeship.nix.why_depends import way_to

        return partial(way_to, self._builder.nix)


def _event(finding: Finding) -> events.Event:
    if finding.level == "warning":
        return events.Warned(f"lint: {finding.rule}: {finding.text}", finding.mend)
    return events.Notice(f"lint: {finding.rule}: {finding.text} ({finding.mend})")
