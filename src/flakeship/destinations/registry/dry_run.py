"""A repository that is asked what it has and sent nothing: what `dry-run` looks at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal

from flakeship import events
from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.destinations.withheld import DRY_RUN, Withheld
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.model import Digest
from flakeship.image.stream import Reader


class DryRun(Withheld):
    """Wraps the destination that a push would write to, and tells which blobs it would not be sent again."""

    def __init__(self, inner: RegistryDestination, *, emit: events.Emit = events.ignore) -> None:
        super().__init__(inner.name, inner.references, untagged=inner.untagged, why=DRY_RUN, emit=emit)
        self._inner = inner
        self._states: dict[Digest, Literal["reused", "withheld"]] = {}

    def existing(self) -> Sequence[ExistingImage] | None:
        """Return the existing images of the repository, so that no more is packed than for a push."""
        return self._inner.existing()

    def open_blob(self, layer: ExistingLayer) -> AbstractContextManager[Reader]:
        """Open a blob of an existing image."""
        return self._inner.open_blob(layer)

    def _state(self, digest: Digest) -> Literal["reused", "withheld"]:
        if digest not in self._states:
            self._states[digest] = "reused" if self._inner.holds(digest) else "withheld"
        return self._states[digest]
