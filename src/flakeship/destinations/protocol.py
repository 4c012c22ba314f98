"""What a destination is asked for and what it answers; every sink module satisfies `Destination`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer
from flakeship.image.stream import Reader


@dataclass(frozen=True, slots=True)
class DeliveredBlob:
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
    blobs: tuple[DeliveredBlob, ...]
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Tagging:
    """One write by which an image gets names at a destination: the PUT of a tag, the rename of a file.

    `references` are how messages call what is there after it. May raise BlobsUnknownError.
    """

    references: tuple[str, ...]
    write: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image of which all is at a destination but its names. `published` looks at it once they are written."""

    taggings: tuple[Tagging, ...]
    published: Callable[[], Published]

    def finish(self) -> Published:
        for tagging in self.taggings:
            tagging.write()
        return self.published()


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

    def existing(self) -> Sequence[ExistingImage] | None:
        """The images whose layers may be used again there; None where no layer is needed at all. Asked once."""

    def open_blob(self, layer: ExistingLayer) -> AbstractContextManager[Reader]:
        """The bytes of a layer's blob, to see whether it is what `existing` said."""


@runtime_checkable
class TakesIndexes(Protocol):
    """A destination where one name can stand for images of several platforms."""

    def prepare_index(self, index: PackedIndex) -> Prepared:
        """As `Destination.prepare`: every image by its digest, then the index."""


class Destination(Protocol):
    """One place that an image goes to: a repository with its tags, a folder. Layers arrive before the manifest."""

    @property
    def name(self) -> str:
        """How messages and events call it: `ghcr.io/owner/name`, `oci:DIR`. Holds no secret."""

    def check(self) -> None:
        """Find out cheaply, before anything is built, whether this can be written to. Raises errors.Error."""

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Make sure the layer's blob is there. Called from several threads, once a layer, in any order.

        With `certain=False` the destination's word that it has the blob is not believed: it is sent again.
        """

    def prepare(self, packed: Packed) -> Prepared:
        """Write config and manifest, and name them nowhere yet; each layer has been taken. May raise BlobsUnknownError."""
