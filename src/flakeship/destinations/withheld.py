"""A destination that is looked at and never written to: what `push: false` and `dry-run` send to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from flakeship import events
from flakeship.destinations.protocol import DeliveredBlob, Prepared, Published
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer
from flakeship.image.stream import Reader

Exists = Callable[[Digest], bool]


class NothingDestination:
    """Stands in for the destination `name`. `exists` asks the real one about a blob; None asks nobody."""

    def __init__(
        self,
        name: str,
        tags: Sequence[str] = (),
        *,
        exists: Exists | None = None,
        existing: Callable[[], Sequence[ExistingImage] | None] = lambda: None,
        open_blob: Callable[[ExistingLayer], AbstractContextManager[Reader]] | None = None,
        emit: events.Emit = events.ignore,
    ) -> None:
        self._name, self._tags, self._exists, self._emit = name, tuple(tags), exists, emit
        self.existing = existing
        self._open_blob = open_blob
        self._delivered: dict[Digest, DeliveredBlob] = {}

    @property
    def name(self) -> str:
        return self._name

    def open_blob(self, layer: ExistingLayer) -> AbstractContextManager[Reader]:
        assert self._open_blob, "what is published nowhere has no blobs"
        return self._open_blob(layer)

    def check(self) -> None:
        pass

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        digest, size = layer.descriptor.digest, layer.descriptor.size
        delivered = self._look(digest, size)
        self._delivered[digest] = delivered
        self._emit(events.LayerProgress(layer.key, delivered.state, size, digest, self._name))
        return delivered

    def prepare(self, packed: Packed) -> Prepared:
        return self._ready(packed)

    def prepare_index(self, index: PackedIndex) -> Prepared:
        return self._ready(index)

    def _ready(self, packed: Packed | PackedIndex) -> Prepared:
        published = self._published(packed)
        return Prepared((), lambda: published)

    def _published(self, packed: Packed | PackedIndex) -> Published:
        return Published(
            destination=self._name,
            reference=f"{self._name}@{packed.descriptor.digest}",
            tags=self._tags,
            digest=packed.descriptor.digest,
            blobs=tuple(blob for image in packed.images for blob in self._blobs(image)),
            sent=False,
        )

    def _blobs(self, packed: Packed) -> tuple[DeliveredBlob, ...]:
        config = packed.config_descriptor
        return (
            *(self._delivered[layer.descriptor.digest] for layer in packed.layers),
            self._look(config.digest, config.size),
        )

    def _look(self, digest: Digest, size: int) -> DeliveredBlob:
        there = self._exists is not None and self._exists(digest)
        return DeliveredBlob(digest, size, "reused" if there else "withheld")
