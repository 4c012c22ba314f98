"""Writes an image to one tar as its layers arrive: for `docker load` (manifest.json), as an OCI layout, or as both in
one, which is what `docker save` writes since version 25.

Layers stay compressed: every `docker load` since 1.10, `podman load` and skopeo inflate them, so that an archive costs
neither the room nor the time of its uncompressed form.
"""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, BinaryIO, Protocol

from flakeship.destinations.image_name import ImageName
from flakeship.errors import ResourceError
from flakeship.image.document import encode
from flakeship.image.layout import (
    CONTAINERD_NAME,
    INDEX_FILE,
    LAYOUT_DOCUMENT,
    LAYOUT_FILE,
    REF_NAME,
    blob_path,
)
from flakeship.image.media_types import OCI
from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer
from flakeship.image.stream import chunks


class Output(Protocol):
    """Anything that bytes can be written to, such as a file or a pipe."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""


class ImageArchive:
    """Writes members in the order in which they are given, and a blob that several layers share once. Thread-safe."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._names: set[str] = set()

    def add_layer(self, layer: PackedLayer) -> None:
        """Add the blob of a layer, which must have a way to open it."""
        assert layer.open is not None
        # docs/decisions.md#archives-hold-compressed-layers
        with layer.open() as reader:
            self.add_blob(layer.descriptor.digest, layer.descriptor.size, reader)

    def add_blob(self, digest: Digest, size: int, reader: BinaryIO) -> None:
        """Add a blob of `size` bytes. ResourceError if the reader yields another number of bytes."""
        with self._lock:
            self._member(blob_path(digest), size, reader)

    def finish(self, packed: Packed, *, names: Sequence[ImageName], layout: bool, docker: bool) -> None:
        """Write the config, the documents and the end of the tar. With `layout` every layer must be a member already."""
        with self._lock:
            self._bytes(blob_path(packed.config_descriptor.digest), packed.config)
            if layout:
                self._layout(packed, names)
            if docker:  # last, as docker save and nixpkgs write it
                self._bytes("manifest.json", json.dumps([_entry(packed, names)]).encode())
            self._out.write(bytes(2 * tarfile.BLOCKSIZE))

    def finish_index(self, index: PackedIndex, *, names: Sequence[ImageName]) -> None:
        """Write a layout of images for several platforms, of which every layer must be a member already."""
        with self._lock:
            for image in index.images:
                self._bytes(blob_path(image.config_descriptor.digest), image.config)
                self._bytes(blob_path(image.descriptor.digest), image.manifest)
            self._layout(index, names)
            self._out.write(bytes(2 * tarfile.BLOCKSIZE))

    def _layout(self, packed: Packed | PackedIndex, names: Sequence[ImageName]) -> None:
        self._bytes(blob_path(packed.descriptor.digest), packed.manifest)
        self._bytes(LAYOUT_FILE, encode(LAYOUT_DOCUMENT))
        self._bytes(INDEX_FILE, encode(_index(packed, names)))

    def _bytes(self, name: str, data: bytes) -> None:
        self._member(name, len(data), io.BytesIO(data))

    def _member(self, name: str, size: int, reader: BinaryIO) -> None:
        if name in self._names:
            return
        self._names.add(name)
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o644
        self._out.write(info.tobuf(tarfile.PAX_FORMAT))
        left = size
        for data in chunks(reader):
            self._out.write(data)
            left -= len(data)
        if left:
            raise ResourceError(
                f"blob {name} changed while it was written to an archive: {-left:+} bytes",
                hint="run again, and keep other programs out of the folder for temporary files",
            )
        self._out.write(bytes(-size % tarfile.BLOCKSIZE))


def _index(packed: Packed | PackedIndex, names: Sequence[ImageName]) -> dict[str, Any]:
    """Return index.json, in which an image with several names has an entry for each."""
    plain = packed.descriptor
    named = [{REF_NAME: name.tag or name.text, CONTAINERD_NAME: name.full} for name in names] or [{}]
    entries = [replace(plain, annotations={**plain.annotations, **each}).to_json() for each in named]
    return {"schemaVersion": 2, "mediaType": OCI.index, "manifests": entries}


def _entry(packed: Packed, names: Sequence[ImageName]) -> dict[str, Any]:
    """https://github.com/moby/docker-image-spec/blob/main/v1.2.md, "Combined Image JSON + Filesystem Changeset Format"."""
    return {
        "Config": blob_path(packed.config_descriptor.digest),
        "RepoTags": [name.text for name in names] or None,
        "Layers": [blob_path(layer.descriptor.digest) for layer in packed.layers],
    }
