"""Lint within a run: layers are watched while they are packed, and findings are emitted before the first tag is set."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.destinations.protocol import BlobsUnknownError
from flakeship.errors import Error, RejectedError
from flakeship.image.existing import ExistingLayer
from flakeship.image.model import Layer, Packed
from flakeship.image.stream import read_full
from flakeship.stores.existing import OpenExistingLayer

if TYPE_CHECKING:  # runs with `lint: off` import none of it
    from flakeship.lint.finding import Finding
    from flakeship.lint.glimpse import Glimpses
    from flakeship.lint.view import WhyDepends
    from flakeship.nix.command import Nix

Mode = str
"""`off`, `warn` or `strict`: the choices of the input `lint`."""

_HINT: Final = "correct the image in the flake, or set `lint: warn`"


class Lint:
    """The lint of one run. With `off` it looks at nothing. `nix` tells which package needs another."""

    def __init__(self, mode: Mode, emit: events.Emit, nix: Nix | None = None) -> None:
        self._mode, self._emit = mode, emit
        self._nix = nix
        self._glimpses: Glimpses | None = None
        self._checked: set[str] = set()
        self._found: list[Finding] = []

    @property
    def is_off(self) -> bool:
        """True if no layer is looked at."""
        return self._mode == "off"

    def watched(self, layers: Iterable[Layer]) -> Iterable[Layer]:
        """Return the layers, which lint notices while they are read; with `strict` it reads the small ones itself.

        What is packed already is not read by anybody else, and must not pass for that.
        """
        if self._mode == "off":
            return layers
        # docs/decisions.md#strict-lint-reads-small-layers
        look = self._known().look if self._mode == "strict" else self._known().watch
        return map(look, layers)

    def looks_at(self, published: Iterable[ExistingLayer], open_blob: OpenExistingLayer) -> bool:
        """Look at the layers of an image that is not built, if `strict` needs them; False where one can't be read."""
        if self._mode != "strict":
            return True
        from flakeship.image.inflate import uncompressed
        from flakeship.lint.glimpse import MOST, SMALL
        from flakeship.sources.package import BY_PATHS

        for layer in published:
            # A layer of store paths alone has nothing to be seen.
            if layer.size > SMALL or layer.key.startswith(BY_PATHS):
                continue
            try:
                with open_blob(layer) as blob, uncompressed(blob) as reader:
                    self._known().take(layer.diff_id, read_full(reader, MOST + 1))
            except (Error, OSError, BlobsUnknownError):
                return False
        return True

    def check(self, packed: Packed) -> None:
        """Emit the findings of an image, once for each digest. With `strict` a warning raises RejectedError."""
        if self._mode == "off" or packed.descriptor.digest in self._checked:
            return
        self._checked.add(packed.descriptor.digest)
        from flakeship.lint.rules import findings
        from flakeship.lint.view import view_of

        view = view_of(packed, self._known(), self._why_depends())
        found = findings(view)
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
            if finding not in self._found:  # an image for another platform mostly lacks the same
                self._found.append(finding)
                self._emit(_event(finding))
        if not view.complete and packed.image.layers:
            unseen = len(packed.image.layers) - sum(map(view.seen, range(len(packed.image.layers))))
            self._emit(
                (events.Notice if self._mode == "strict" else events.Detail)(
                    f"lint: {unseen} of {len(packed.image.layers)} layers were not checked, because they are large or were not read by "
                    "this run, so lint can't tell whether /tmp, certificates or /etc/passwd are missing"
                )
            )

    def _known(self) -> Glimpses:
        from flakeship.lint.glimpse import Glimpses

        self._glimpses = Glimpses() if self._glimpses is None else self._glimpses
        return self._glimpses

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
