"""Which blobs of an image are at the repository: each is made sure of once, and most of those that are listed there are not asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from typing import Final

from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob
from flakeship.destinations.registry.blobs import Blob, BlobUploads
from flakeship.destinations.registry.refusals import Refusals
from flakeship.image.existing import ExistingImage
from flakeship.image.model import Descriptor, Digest, Packed, PackedIndex, PackedLayer
from flakeship.registry.errors import RegistryError

_UNKNOWN_BLOB: Final = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "SIZE_INVALID"})


class DeliveredBlobs:
    """The blobs of one repository. Its methods may be called by several threads.

    Blobs listed by a manifest that stays in place need no HEAD. Before a new manifest refers to them each is
    checked, because registries accept manifests with wrong sizes.
    """

    def __init__(self, uploads: BlobUploads, refusals: Refusals) -> None:
        self._uploads, self._refusals = uploads, refusals
        self._delivered: dict[Digest, DeliveredBlob] = {}
        self._listed: set[Digest] = set()
        """Blobs that an existing manifest lists, and that were not checked one by one yet."""
        self._must_resend: frozenset[Digest] = frozenset()
        """Blobs that the registry refused to have, although it had reported them."""
        self._locks: dict[Digest, threading.Lock] = {}
        self._once = threading.Lock()

    def note_existing(self, images: Iterable[ExistingImage]) -> None:
        """Note the config of each image as delivered, since it was read, and its layers as listed."""
        for image in images:
            config = image.config_descriptor
            self._delivered.setdefault(config.digest, DeliveredBlob(config.digest, config.size, "reused"))
            self._listed.update(layer.digest for layer in image.layers if layer)

    def take(self, blob: Blob, *, certain: bool = True) -> DeliveredBlob:
        """Make sure of a blob, or defer that if an existing manifest lists it."""
        if not blob.open and blob.digest not in self._delivered and blob.digest in self._listed:
            return DeliveredBlob(blob.digest, blob.size, "reused")
        return self.ensure(blob, certain=certain and blob.digest not in self._must_resend)

    def ensure(self, blob: Blob, *, certain: bool) -> DeliveredBlob:
        """Make sure of a blob once, even if several layers share it and several threads ask."""
        with self._locks.setdefault(blob.digest, threading.Lock()):
            known = self._delivered.get(blob.digest)
            if known is None or known.size != blob.size or not certain:
                with self._refusals.explained():
                    state = self._uploads.ensure(blob, believe=certain)
                known = self._delivered[blob.digest] = DeliveredBlob(blob.digest, blob.size, state)
            return known

    def of(self, descriptor: Descriptor) -> DeliveredBlob:
        """Return how a blob of an image that is complete came here."""
        unasked = DeliveredBlob(descriptor.digest, descriptor.size, "reused")
        return self._delivered.get(descriptor.digest, unasked)

    def begin_check(self, pool: Executor, packed: Packed | PackedIndex) -> list[Future[Digest | None]]:
        """Begin to check all deferred blobs."""
        named = {layer.descriptor.digest: layer for image in packed.images for layer in image.layers}
        # docs/decisions.md#blobs-get-a-head-before-another-manifest
        waiting = [layer_blob(layer) for digest, layer in named.items() if digest not in self._delivered]
        return [pool.submit(self._missing_digest, blob) for blob in waiting]

    def end_check(self, asked: Sequence[Future[Digest | None]]) -> None:
        """Wait for the checks. BlobsUnknownError lists the blobs that are missing."""
        missing = frozenset(digest for each in asked if (digest := each.result()))
        if missing:
            self._note_unknown(missing)
            raise BlobsUnknownError(missing)

    def raise_unknown(self, refusal: RegistryError, packed: Packed | PackedIndex) -> None:
        """Raise BlobsUnknownError if a manifest was refused for blobs that the registry misses or has with another size."""
        if not _UNKNOWN_BLOB & set(refusal.answer.codes):
            return
        ours = frozenset(
            digest
            for image in packed.images
            for digest in (
                *(layer.descriptor.digest for layer in image.layers),
                image.config_descriptor.digest,
            )
        )
        if unknown := (refusal.answer.digests & ours) or ours - self._must_resend:
            self._note_unknown(unknown)
            raise BlobsUnknownError(unknown) from refusal

    def _missing_digest(self, blob: Blob) -> Digest | None:
        try:
            self.ensure(blob, certain=True)
        except BlobsUnknownError:
            return blob.digest
        return None

    def _note_unknown(self, digests: frozenset[Digest]) -> None:
        with self._once:
            self._must_resend |= digests


def layer_blob(layer: PackedLayer) -> Blob:
    """Make a blob of a layer."""
    return Blob.of(layer.descriptor, layer.open, name=f"layer {layer.descriptor.digest[:19]}")
