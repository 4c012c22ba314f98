"""Layers that every destination has already, known from the images published there before: nothing of them is read,
hashed, compressed or sent.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from flakeship.errors import Error, RejectedError
from flakeship.image.annotations import LAYER_KEY
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.media_types import Family
from flakeship.image.model import CompressedBlob, Descriptor, Digest, Layer, PackedLayer
from flakeship.image.pack import LayerStore
from flakeship.image.stream import Prefixed, Reader, read_full, sha256_of
from flakeship.printable import counted

OpenExistingLayer = Callable[[ExistingLayer], contextlib.AbstractContextManager[Reader]]


class ExistingStore:
    """Finds a layer where all of `places` have it as the same blob; asks `behind` for the others.

    `places` holds the published images of each destination, None for one that needs no bytes at all. Whoever may
    write there is believed; what a destination turns out not to have is forgotten and made here. With `open_blob`
    nobody is believed: a layer is used again only after its tar and its blob were read and compared, and `find` and
    `keep` raise RejectedError for a blob that is listed under the digest of a layer and has other bytes: a registry
    keeps what it has, whatever is sent to it under that digest.
    """

    def __init__(
        self,
        places: Sequence[Sequence[ExistingImage] | None],
        *,
        suffix: str,
        family: Family,
        behind: LayerStore,
        open_blob: OpenExistingLayer | None = None,
    ) -> None:
        self._family, self._suffix, self._behind = family, suffix, behind
        self._open_blob = open_blob
        self._forgotten: set[Digest] = set()
        self._lock = threading.Lock()
        self._asked = [_LayersOfPlace(images, suffix) for images in places if images is not None]
        self._first = self._asked[0] if self._asked else None
        self._others = self._asked[1:]

    def find(self, layer: Layer) -> PackedLayer | None:
        """Return the layer that all places have, else what the store behind finds."""
        if layer.compressed:
            self._check_blob(layer.compressed.digest)
            return self._find_compressed(layer, layer.compressed)
        known = self._known(layer)
        if known is None or (self._open_blob and not self._proven(layer, known, self._open_blob)):
            if behind := self._behind.find(layer):
                self._check_blob(behind.descriptor.digest)
            return behind
        descriptor = Descriptor(
            self._family.layers[self._suffix], known.digest, known.size, layer.annotations
        )
        return layer.packed(known.diff_id, descriptor, open=None)

    def _find_compressed(self, layer: Layer, blob: CompressedBlob) -> PackedLayer | None:
        """Return the blob unread if its source and every destination report the same diff_id, digest and size."""
        said = layer.diff_id, blob.digest, blob.size
        if self._open_blob or blob.digest in self._forgotten or blob.suffix not in self._family.layers:
            return None
        # docs/decisions.md#two-witnesses-spare-reading-a-compressed-blob
        if not self._asked or not all(said in place.blobs for place in self._asked):
            return None
        assert layer.diff_id
        descriptor = Descriptor(self._family.layers[blob.suffix], blob.digest, blob.size, layer.annotations)
        return layer.packed(layer.diff_id, descriptor, open=None)

    def expects(self, layer: Layer) -> bool:
        """Return True if every place states that it has the layer; nothing is asked or read for this."""
        return self._known(layer) is not None

    def spool(self) -> contextlib.AbstractContextManager[tuple[BinaryIO, Path]]:
        """Open a new file in the store behind."""
        return self._behind.spool()

    def keep(self, layer: Layer, packed: PackedLayer, path: Path) -> None:
        """Hand the layer on to the store behind."""
        self._check_blob(packed.descriptor.digest)
        self._behind.keep(layer, packed, path)

    def forget(self, digests: Collection[Digest]) -> None:
        """Never find these blobs again: a destination turned out not to have them."""
        with self._lock:
            self._forgotten.update(digests)

    def _known(self, layer: Layer) -> ExistingLayer | None:
        if self._first is None:
            return None
        known = self._first.find(layer)
        if known is None or known.digest in self._forgotten:
            return None
        # docs/decisions.md#reuse-needs-the-same-blob-everywhere
        return known if all(_same(other.find(layer), known) for other in self._others) else None

    def _check_blob(self, digest: Digest) -> None:
        """RejectedError where a destination lists this digest and gives other bytes; what can't be read is sent anew."""
        if self._open_blob is None:
            return
        listed = (found for place in self._asked if (found := place.by_digest.get(digest)))
        for blob in listed:
            try:
                with self._open_blob(blob) as reader:
                    given, size = sha256_of(reader)
            except (Error, OSError):
                continue
            if given != digest:
                raise RejectedError(
                    f"layer {digest} is damaged in {blob.where}: its {counted(size, 'byte')} have the digest {given}",
                    hint="ask who runs the registry to remove this blob, for it keeps what it has; then publish again",
                )

    def _proven(self, layer: Layer, known: ExistingLayer, open_blob: OpenExistingLayer) -> bool:
        """Read tar and blob, and return True if both have the diff_id that the destination reports, and the compression."""
        if layer.named:
            return False  # a stream can't be read twice: packing it is the proof
        descriptor = Descriptor("", known.digest, known.size)
        from flakeship.image.check import check_layer
        from flakeship.image.inflate import suffix_of
        from flakeship.image.tar.blocks import BLOCK

        try:
            with layer.open() as reader:
                diff_id, size = sha256_of(reader)
            if diff_id != known.diff_id:
                return False
            with open_blob(known) as blob:
                head = read_full(blob, BLOCK)
                if suffix_of(head) != known.suffix:
                    return False
                check_layer(descriptor, known.diff_id, lambda _: Prefixed(head, blob), tar_size=size)
        except (Error, OSError):
            return False
        return True


class _LayersOfPlace:
    """The layers of the images of one destination; the first image that reports a layer counts."""

    def __init__(self, images: Sequence[ExistingImage], suffix: str) -> None:
        self._by_diff_id: dict[Digest, ExistingLayer] = {}
        self._by_key: dict[str, ExistingLayer] = {}
        self.blobs: set[tuple[Digest | None, Digest, int]] = set()
        self.by_digest: dict[Digest, ExistingLayer] = {}
        for layer in _layers(images):
            self.blobs.add((layer.diff_id, layer.digest, layer.size))
            self.by_digest.setdefault(layer.digest, layer)
            if layer.suffix == suffix:
                self._by_diff_id.setdefault(layer.diff_id, layer)
                if layer.key:
                    self._by_key.setdefault(layer.key, layer)

    def find(self, layer: Layer) -> ExistingLayer | None:
        diff_id = layer.diff_id or layer.named
        if diff_id:
            return self._by_diff_id.get(diff_id)
        return self._by_key.get(layer.annotations.get(LAYER_KEY, ""))


def _same(one: ExistingLayer | None, other: ExistingLayer) -> bool:
    """Each destination's own word: one that lies must not decide about the others."""
    return one is not None and (one.diff_id, one.digest, one.size) == (
        other.diff_id,
        other.digest,
        other.size,
    )


def _layers(images: Sequence[ExistingImage]) -> Iterator[ExistingLayer]:
    for image in images:
        yield from (layer for layer in image.layers if layer)
