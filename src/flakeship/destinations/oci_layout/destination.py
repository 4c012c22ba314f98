"""Writes an OCI image layout: https://github.com/opencontainers/image-spec/blob/main/image-layout.md."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from flakeship import events
from flakeship.destinations.oci_layout.folder import LayoutFolder
from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob, Prepared, Published, Tagging
from flakeship.errors import RejectedError, UsageError
from flakeship.image.check import check_image
from flakeship.image.document import DOCUMENT_LIMIT
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer, digest_of, parse_digest
from flakeship.image.place import read_image, read_manifest
from flakeship.image.stream import Reader, read_full
from flakeship.registry.reference import TAG_PATTERN


@dataclass(frozen=True, slots=True)
class LayoutManifest:
    """A manifest in a layout; satisfies `place.RawManifest`."""

    media_type: str
    data: bytes
    digest: Digest


class LayoutDestination:
    """A folder, made if it is missing. `tag` names the image inside; an empty one means the tag of the image's own name."""

    def __init__(self, directory: Path, tag: str = "", *, emit: events.Emit = events.ignore) -> None:
        self._folder = LayoutFolder(directory, named="to: oci:DIR", emit=emit)
        self._tag, self._emit = tag, emit
        self._delivered: dict[Digest, DeliveredBlob] = {}

    @property
    def name(self) -> str:
        """The name in messages: `oci:DIR`."""
        return self._folder.name

    def check(self) -> None:
        """Remove what runs that were killed were writing in the folder, which is made with the first layer.

        UsageError if it holds something else, ResourceError if it can't be written.
        """
        self._folder.check()

    def give_up(self) -> None:
        """Remove the folder again if this run made it, and it lists no image."""
        self._folder.give_up()

    def existing(self) -> tuple[ExistingImage, ...]:
        """Return the images of the layout without those that are damaged."""
        images: list[ExistingImage] = []
        for entry in self._folder.entries():
            with contextlib.suppress(ValueError, OSError):
                if manifest := read_manifest(self, parse_digest(entry.get("digest"))):
                    images.append(read_image(self, manifest))
        return tuple(images)

    def get_manifest(self, reference: str) -> LayoutManifest:
        """Read a manifest by its digest; OSError where it is missing."""
        with self.get_blob(parse_digest(reference)) as reader:
            data = read_full(reader, DOCUMENT_LIMIT + 1)
        return LayoutManifest("", data, digest_of(data))

    def get_blob(self, digest: Digest) -> BinaryIO:
        """Open the file of a blob; OSError where it is missing."""
        return self._folder.blob(digest).open("rb")

    def open_blob(self, layer: ExistingLayer) -> contextlib.AbstractContextManager[Reader]:
        """Open the file of a blob."""
        return self.get_blob(layer.digest)

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Write the blob of the layer, unless it is there already."""
        digest, size = layer.descriptor.digest, layer.descriptor.size
        self._folder.begin()
        there = certain and self._folder.has_blob(digest, size)
        if not there:
            if layer.open is None:
                raise BlobsUnknownError(frozenset({digest}))
            with layer.open() as reader:
                self._folder.write(self._folder.blob(digest), reader)
        delivered = DeliveredBlob(digest, size, "reused" if there else "written")
        self._emit(events.LayerProgress(layer.name, delivered.state, size, digest, self.name))
        self._delivered[digest] = delivered
        return delivered

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        """Write config and manifest, and verify the image; index.json does not list it yet."""
        return self._prepared(packed)

    def prepare_index(self, index: PackedIndex, *, alone: bool = False) -> Prepared:
        """Write every image and the index, and verify them; index.json does not list the index yet."""
        return self._prepared(index)

    def _prepared(self, packed: Packed | PackedIndex) -> Prepared:
        names = next((image.image.names for image in packed.images), ())
        own = next(iter(names), "").rpartition(":")[2]
        tag = self._tag or (own if TAG_PATTERN.fullmatch(own) else "latest")
        reference = f"{self.name}:{tag}"
        self._folder.begin()
        with self._folder.locked():
            self._write_documents(packed)
            self._check(packed)
        blobs = tuple(blob for image in packed.images for blob in self._blobs(image))
        published = Published(
            destination=self.name, reference=reference, tags=(), digest=packed.descriptor.digest, blobs=blobs
        )
        return Prepared(
            ((Tagging((reference,), partial(self._write_index_entry, packed, tag)),),), lambda: published
        )

    def _check(self, packed: Packed | PackedIndex) -> None:
        """Verify every digest. RejectedError, or BlobsUnknownError while some layers were taken on trust."""
        layers = (layer for image in packed.images for layer in image.layers)
        believed = frozenset(layer.descriptor.digest for layer in layers if layer.open is None)
        try:
            for entry in packed.entries:
                check_image(entry.descriptor, lambda digest: self._folder.blob(digest).open("rb"))
        except RejectedError as error:
            if not believed:
                raise
            raise BlobsUnknownError(believed) from error

    def _write_index_entry(self, packed: Packed | PackedIndex, tag: str) -> None:
        with self._folder.locked():
            self._write_documents(packed)  # again: another run may have removed what no index entry listed
            self._folder.put_entry(tag, packed.descriptor.to_json())

    def _write_documents(self, packed: Packed | PackedIndex) -> None:
        """Write configs and manifests. BlobsUnknownError for layers that are missing.

        UsageError for an index that lists an image of which neither this run nor the layout has the bytes.
        """
        for entry in packed.entries:
            if entry.image is None and not self._folder.blob(entry.descriptor.digest).exists():
                raise UsageError(
                    f"{self.name} does not hold {entry.descriptor.digest}, which the index lists",
                    hint="write that image to the layout first",
                )
        layers = {layer.descriptor.digest for image in packed.images for layer in image.layers}
        if gone := frozenset(digest for digest in layers if not self._folder.blob(digest).exists()):
            raise BlobsUnknownError(gone)  # another run has removed layers that were to be reused
        for image in packed.images:
            self._folder.write(self._folder.blob(image.config_descriptor.digest), image.config)
            self._folder.write(self._folder.blob(image.descriptor.digest), image.manifest)
        self._folder.write(self._folder.blob(packed.descriptor.digest), packed.manifest)

    def _blobs(self, packed: Packed) -> Iterator[DeliveredBlob]:
        yield from (self._delivered[layer.descriptor.digest] for layer in packed.layers)
        yield DeliveredBlob(packed.config_descriptor.digest, packed.config_descriptor.size, "written")
