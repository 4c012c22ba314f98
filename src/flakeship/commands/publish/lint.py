"""Lint within a run: layers are watched while they are packed, and findings are emitted before the first tag is set."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from flakeship import events
from flakeship.destinations.protocol import BlobsUnknownError
from flakeship.errors import Error, RejectedError
from flakeship.image.existing import ExistingLayer
from flakeship.image.inflate import uncompressed
from flakeship.image.model import Layer, Packed, PackedLayer, SourceGoneError
from flakeship.image.pack import LayerStore
from flakeship.image.stream import CHUNK, read_full
from flakeship.stores.existing import OpenExistingLayer

if TYPE_CHECKING:  # runs with `lint: off` import none of it
    from flakeship.lint.finding import Finding
    from flakeship.lint.glimpse import Glimpses
    from flakeship.lint.programs import Programs
    from flakeship.lint.view import WhyDepends

Mode = str
"""`off`, `warn` or `strict`: the choices of the input `lint`."""

_HINT: Final = "correct the image in the flake, or set `lint: warn`"
_ENOUGH: Final = 4 * CHUNK
"""Bytes that are read at most, to find a program, of a layer that every destination has: no more of it is needed."""


class Lint:
    """The lint of one run. With `off` it looks at nothing. `why_depends` tells by what one package needs another."""

    def __init__(
        self,
        mode: Mode,
        emit: events.Emit,
        why_depends: WhyDepends | None = None,
        spelled: Callable[[str], str] = str,
    ) -> None:
        self._mode, self._emit = mode, emit
        self._chain, self._spelled = why_depends, spelled
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
        look = self.glimpses.look if self._mode == "strict" else self.glimpses.watch
        return map(look, layers)

    def looks_at(self, published: Iterable[ExistingLayer], open_blob: OpenExistingLayer) -> bool:
        """Look at the layers of an image that is not built, if `strict` needs them; False where one can't be read.

        Otherwise only what is known without a request is noted: the usual last layer of a package.
        """
        if self._mode == "off":
            return True
        if self._mode != "strict":
            self._note_usual(published)
            return True
        from flakeship.lint.glimpse import MOST, SMALL
        from flakeship.sources.package import BY_PATHS

        for layer in published:
            # A layer of store paths alone has nothing to be seen.
            if layer.size > SMALL or layer.key.startswith(BY_PATHS):
                continue
            try:
                with open_blob(layer) as blob, uncompressed(blob) as reader:
                    self.glimpses.take(layer.diff_id, read_full(reader, MOST + 1))
            except (Error, OSError, BlobsUnknownError):
                return False
        return True

    def looking(
        self, store: LayerStore, programs: Programs | None = None, *, forward_only: bool, far: bool = False
    ) -> LayerStore:
        """Return the store, with which what it finds is looked at too. `programs` are filled in if they are given.

        With `far` reading a layer of store paths means to fetch it: then the blob that was found here is read in its place.
        """
        return store if self._mode == "off" else _Looking(store, programs, forward_only=forward_only, far=far)

    def check(self, packed: Packed) -> None:
        """Emit the findings of an image, once for each digest. With `strict` a warning raises RejectedError."""
        if self._mode == "off" or packed.descriptor.digest in self._checked:
            return
        self._checked.add(packed.descriptor.digest)
        from flakeship.lint.rules import findings
        from flakeship.lint.view import unknown_chain, view_of

        view = view_of(packed, self.glimpses, self._chain or unknown_chain)
        found = findings(view)
        warnings = [finding for finding in found if finding.severity == "warning"]
        if self._mode == "strict" and warnings:
            raise RejectedError(
                f"lint rejects the image: {', '.join(finding.rule for finding in warnings)}",
                hint=_HINT,
                detail="\n".join(
                    f"{finding.rule}: {finding.text}\n    {self._spelled(finding.fix)}"
                    for finding in warnings
                ),
            )
        for finding in found:
            if finding not in self._found:  # an image for another platform mostly lacks the same
                self._found.append(finding)
                self._emit(self._event(finding))
        if not view.complete and packed.image.layers:
            unseen = len(packed.image.layers) - sum(map(view.seen, range(len(packed.image.layers))))
            self._emit(
                (events.Notice if self._mode == "strict" else events.Detail)(
                    f"lint: {unseen} of {len(packed.image.layers)} layers were not checked, because they are large or were not read by "
                    "this run, so lint can't tell whether /tmp, certificates or /etc/passwd are missing"
                )
            )

    def _note_usual(self, published: Iterable[ExistingLayer]) -> None:
        keyed = [layer for layer in published if layer.key]
        if not keyed:
            return
        from flakeship.sources.package import BY_PATHS, Package

        own = [layer for layer in keyed if not layer.key.startswith(BY_PATHS)]
        if own:
            from flakeship.sources.closure.furnishing import furnished, key_of

            usual = furnished(Package(path="", system="", closure=()))
            for layer in own:
                if layer.key == key_of(usual):
                    self.glimpses.take(layer.diff_id, usual)

    @property
    def glimpses(self) -> Glimpses:
        """What the layers that were looked at hold."""
        from flakeship.lint.glimpse import Glimpses

        self._glimpses = Glimpses() if self._glimpses is None else self._glimpses
        return self._glimpses

    def _event(self, finding: Finding) -> events.Event:
        if finding.severity == "warning":
            return events.Warned(f"lint: {finding.rule}: {finding.text}", finding.fix)
        return events.Notice(f"lint: {finding.rule}: {finding.text} ({self._spelled(finding.fix)})")


# docs/decisions.md#what-is-found-packed-is-looked-at-too
class _Looking:
    """A store that reads of each layer that it finds as much as lint needs, for whoever watches the layer while it is read."""

    def __init__(
        self, store: LayerStore, programs: Programs | None, *, forward_only: bool, far: bool
    ) -> None:
        self._store, self._programs = store, programs
        self._forward_only, self._far = forward_only, far

    def find(self, layer: Layer) -> PackedLayer | None:
        """Return what the store finds."""
        found = self._store.find(layer)
        # of what this run would send, a program is looked for to the end
        most = _ENOUGH if found and found.open is None else None
        if self._far and layer.size is None and found:
            if found.open is None or self._programs is None:
                return found
            blob = found.open
            layer = self._programs.watch(replace(layer, open=lambda: uncompressed(blob())))
        if self._forward_only and found:
            self._look(layer, most)
        elif found or (layer.compressed and not self._forward_only):
            with contextlib.suppress(Error, OSError, SourceGoneError):  # whoever needs its bytes reports that
                self._look(layer, most)
        return found

    def spool(self) -> contextlib.AbstractContextManager[tuple[BinaryIO, Path]]:
        """Open a new file in the store."""
        return self._store.spool()

    def keep(self, layer: Layer, packed: PackedLayer, path: Path) -> None:
        """Hand the layer on."""
        self._store.keep(layer, packed, path)

    def _look(self, layer: Layer, most: int | None) -> None:
        from flakeship.lint.glimpse import SMALL

        small = layer.size is not None and layer.size <= SMALL
        if not small and self._programs is None:
            return
        with layer.open() as reader:
            read = 0
            while small or self._goes_on(layer.key, read, most):
                data = reader.read(CHUNK)
                read += len(data)
                if not data:
                    return

    def _goes_on(self, key: str, read: int, most: int | None) -> bool:
        return (
            self._programs is not None
            and key not in self._programs.searched
            and (most is None or read < most)
        )
