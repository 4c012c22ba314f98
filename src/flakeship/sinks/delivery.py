"""What a destination is asked for and what it answers; every sink module satisfies `Destination`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer
from flakeship.image.published import PublishedImage, PublishedLayer
from flakeship.image.stream import Reader


@dataclass(frozen=True, slots=True)
class Delivered:
    """One blob that is certainly at the destination, or `withheld`: it would have to be sent, and was not to be.

    `size` is in bytes of the blob.
    """

    digest: Digest
    size: int
    state: Literal["uploaded", "reused", "mounted", "written", "withheld"]


@dataclass(frozen=True, slots=True)
class Published:
    """A finished image at one destination.

    `reference` is what a user copies to get exactly this image (`ghcr.io/o/n@sha256:…`, `oci:DIR:TAG`), `tags` the
    full references that name it now, `digest` that of its manifest, `blobs` the layers and last the config.
    """

    destination: str
    reference: str
    tags: tuple[str, ...]
    digest: Digest
    blobs: tuple[Delivered, ...]
    sent: bool = True


class BlobsUnknownError(Exception):
    """The destination said of blobs that they are there, and then, given the manifest, that they are not.

    Not for the user: the pipeline reads those layers again and hands them over with `certain=False`.
    """

    def __init__(self, digests: frozenset[Digest]) -> None:
        super().__init__(", ".join(sorted(digests)))
        self.digests = digests


@runtime_checkable
class Remembers(Protocol):
    """A destination that can tell which images it holds already."""

    def published(self) -> Sequence[PublishedImage] | None:
        """The images whose layers may be used again there; None where no layer is needed at all. Asked once."""

    def open_blob(self, layer: PublishedLayer) -> AbstractContextManager[Reader]:
        """The bytes of a layer's blob, to see whether it is what `published` said."""


@runtime_checkable
class TakesIndexes(Protocol):
    """A destination where one name can stand for images of several platforms."""

    def finish_index(self, index: PackedIndex) -> Published:
        """As `Destination.finish`: every image by its digest, then the index, and last the tags."""


class Destination(Protocol):
    """One place that an image goes to: a repository with its tags, a folder. Layers arrive before the manifest."""

    @property
    def name(self) -> str:
        """How messages and events call it: `ghcr.io/owner/name`, `oci:DIR`. Holds no secret."""

    def check(self) -> None:
        """Find out cheaply, before anything is built, whether this can be written to. Raises errors.Error."""

    def take(self, layer: PackedLayer, *, certain: bool = True) -> Delivered:
        """Make sure the layer's blob is there. Called from several threads, once a layer, in any order.

        With `certain=False` the destination's word that it has the blob is not believed: it is sent again.
        """

    def finish(self, packed: Packed) -> Published:
        """Write config, manifest, and last the tags; each layer has been taken. May raise BlobsUnknownError."""
