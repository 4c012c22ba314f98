"""Lint within a run: layers are watched while they are packed, and findings are emitted before the first tag is set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.errors import RejectedError
from flakeship.image.model import Layer, Packed

if TYPE_CHECKING:  # runs with `lint: off` import none of it
    from flakeship.lint.finding import Finding
    from flakeship.lint.glimpse import Glimpses
    from flakeship.lint.view import WhyDepends
    from flakeship.nix.command import Nix

Mode = str
"""`off`, `warn` or `strict`: the choices of the input `lint`."""

_HINT: Final = "mend them in the flake, or set the input `lint` to `warn`"


class Lint:
    """The lint of one run. With `off` it looks at nothing. `nix` tells which package needs another."""

    def __init__(self, mode: Mode, emit: events.Emit, nix: Nix | None = None) -> None:
        self._mode, self._emit = mode, emit
        self._nix = nix
        self._glimpses: Glimpses | None = None
        self._checked: set[str] = set()

    def watched(self, layers: Iterable[Layer]) -> Iterable[Layer]:
        """Return the layers, which lint notices while they are read."""
        if self._mode == "off":
            return layers
        from flakeship.lint.glimpse import Glimpses

        self._glimpses = self._glimpses or Glimpses()
        return map(self._glimpses.watch, layers)

    def check(self, packed: Packed) -> None:
        """Emit the findings of an image, once for each digest. With `strict` a warning raises RejectedError."""
        if self._mode == "off" or packed.descriptor.digest in self._checked:
            return
        self._checked.add(packed.descriptor.digest)
        from flakeship.lint.rules import findings
        from flakeship.lint.view import view_of

        found = findings(view_of(packed, self._glimpses or {}, self._why_depends()))
        warnings = [finding for finding in found if finding.severity == "warning"]
        if self._mode == "strict" and warnings:
            raise RejectedError(
                f"lint rejects the image: {', '.join(finding.rule for finding in warnings)}",
                hint=_HINT,
                detail="\n".join(
                    f"{finding.rule}: {finding.text}\n    {finding.fix}" for finding in warnings
                ),
            )
        for finding in found:
            self._emit(_event(finding))

    def _why_depends(self) -> WhyDepends:
        from flakeship.lint.view import unknown_chain

        if self._nix is None:
            return unknown_chain
        from flakeship.nix.why_depends import why_depends

        return partial(why_depends, self._nix)


def _event(finding: Finding) -> events.Event:
    if finding.severity == "warning":
        return events.Warned(f"lint: {finding.rule}: {finding.text}", finding.fix)
    return events.Notice(f"lint: {finding.rule}: {finding.text} ({finding.fix})")
