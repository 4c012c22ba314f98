"""The blobs of a layout as a registry would serve them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from flakeship.image.model import Descriptor, Digest
from flakeship.image.stream import Reader
from flakeship.sources.blobs import RegistryImage, parse_descriptor
from tests.sources.layouts import Layout


class ServedBlobs:
    """`here` is False, as for what lies elsewhere."""

    what = "registry.example/app:1"
    here = False

    def __init__(self, layout: Layout) -> None:
        self._blobs = layout.blobs

    def open(self, digest: Digest) -> Reader:
        return io.BytesIO(self._blobs[digest])

    def open_document(self, entry: Descriptor) -> Reader:
        return self.open(entry.digest)

    def size(self, digest: Digest) -> int | None:
        return len(self._blobs[digest]) if digest in self._blobs else None


def served(layout: Layout, entry: Mapping[str, Any]) -> RegistryImage:
    """What a reference to this entry leads to."""
    return RegistryImage(ServedBlobs(layout), parse_descriptor(entry, "the test"))
