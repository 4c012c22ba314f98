"""The steps by which an image reaches an opened destination, and the values that they return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from flakeship.errors import NotAllowedError
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer, Platform
from flakeship.image.stream import Reader

if TYPE_CHECKING:  # most images are pushed without
    from flakeship.attest.artifact import Artifact
    from flakeship.attest.legacy import TaggedSignature


@dataclass(frozen=True, slots=True)
class DeliveredBlob:
    """One blob that is at the destination now, or is `withheld`: it would have to be sent, and may not be.

    `size` is that of the blob, in bytes.
    """

    digest: Digest
    size: int
    state: Literal["uploaded", "reused", "mounted", "written", "withheld"]


@dataclass(frozen=True, slots=True)
class Published:
    """An image as this run has written it to one destination.

    `destination` is the destination's name. `reference` is what a user copies to get exactly this image
    (`ghcr.io/o/n@sha256:…`, `oci:DIR:TAG`). `tags` are the full references that name it now, `digest` is that of its
    manifest. `blobs` are the layers of each platform, from the lowest up, each time followed by the config.

    `sent` is False if nothing was written, and `why` says why not: then `reference` and `tags` are those that the image
    would have. `tags` are empty unless the destination is a registry.
    """

    destination: str
    reference: str
    tags: tuple[str, ...]
    digest: Digest
    blobs: tuple[DeliveredBlob, ...]
    sent: bool = True
    why: str = ""
    untagged: tuple[str, ...] = ()
    """The full references that `merge` is to write: only of an image that is pushed by its digest alone."""

    @property
    def in_registry(self) -> bool:
        """True if the destination is a registry: others have no tags."""
        return bool(self.tags or self.untagged)


@dataclass(frozen=True, slots=True)
class Tagging:
    """One write that gives the image one or several names: the PUT of a tag, the rename of a file.

    `references` are those names, for messages. `write` may raise BlobsUnknownError.
    """

    references: tuple[str, ...]
    write: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image that is complete at a destination, and has no name there yet.

    `taggings` write its names: groups in this order, those of a group at once if there is time to win. `published` looks at the result after the last of them. What belongs to
    an image without being part of it (a signature, an SBOM) can be attached in between: its digest is known and final.
    """

    taggings: tuple[tuple[Tagging, ...], ...]
    published: Callable[[], Published]

    def finish(self) -> Published:
        """Write all names."""
        for group in self.taggings:
            for tagging in group:
                tagging.write()
        return self.published()


class CredentialsRefusedError(NotAllowedError):
    """The destination wants credentials, or others than it was given, or these may not write there."""


class BlobsUnknownError(Exception):
    """The destination reported blobs as present, and then refused a manifest because they are missing.

    No user sees this error: the pipeline reads those layers again and hands them over with `certain=False`.
    """

    def __init__(self, digests: frozenset[Digest]) -> None:
        super().__init__(", ".join(sorted(digests)))
        self.digests = digests


@runtime_checkable
class Remembers(Protocol):
    """The capability to list the images that are at a destination before the run."""

    def existing(self) -> Sequence[ExistingImage] | None:
        """Return the images whose layers can be reused here. Called once.

        None means that no layer is needed at all, because nothing will be written.
        """

    def open_blob(self, layer: ExistingLayer) -> AbstractContextManager[Reader]:
        """Open the blob of a layer that `existing` returned, to check it. The context yields its bytes."""


@runtime_checkable
class TakesIndexes(Protocol):
    """The capability to take an image index: one name for the images of several platforms."""

    # docs/decisions.md#indexes-are-a-capability-of-a-destination
    def prepare_index(self, index: PackedIndex, *, alone: bool = False) -> Prepared:
        """Write every image by its digest, then the index, without any name. May raise BlobsUnknownError.

        `alone` as in `Destination.prepare`; the images arrive by their digests in any case.
        """


@dataclass(frozen=True, slots=True)
class Attached:
    """What `TakesArtifacts.attach` has done: how many artifacts it added, and how many were there already."""

    added: int = 0
    present: int = 0
    left_out: frozenset[str] = frozenset()
    """The kinds of what was not attached because each run writes it differently, and the image is not new or has one."""


@runtime_checkable
class TakesArtifacts(Protocol):
    """The capability to keep artifacts beside an image: SBOMs, signatures, provenance."""

    @property
    def name(self) -> str:
        """The name in messages and events, as of a `Destination`."""

    def attach(self, artifacts: Sequence[Artifact], signatures: Sequence[TaggedSignature] = ()) -> Attached:
        """Attach what is not there yet, after `prepare(alone=False)` and before the names. Nothing is written if all is there.

        RegistryError with `answer` where a registry keeps no artifacts; errors.Error for other failures.
        """

    def confirm_attached(self) -> bool:
        """Make sure once more, after the names, that all is found which this run has attached; False if it was. Errors as by `attach`."""

    def leaves_out(self, artifacts: Sequence[Artifact]) -> Sequence[bool]:
        """Tell of each whether `attach` would leave it out, because each run writes it differently. Errors as by `attach`."""


@runtime_checkable
class RunsImages(Protocol):
    """The capability to run images, so that of an index it is given the image for its own platform."""

    def platform(self) -> Platform:
        """Ask for which platform it runs images. UnreachableError if it does not answer."""


@runtime_checkable
class LosesAnnotations(Protocol):
    """The trait of some engines to store an image without its manifest, in which the annotations are."""

    def loses_annotations(self) -> bool:
        """Tell whether this one does, after `check`."""


@runtime_checkable
class Interruptible(Protocol):
    """The capability to begin at once to undo what is under way, when a run ends before its time."""

    def interrupt(self) -> None:
        """Begin, and return at once; it is waited for when the destination is closed. May be called several times."""


def interrupt(destinations: Iterable[Destination]) -> None:
    """Interrupt all of them that can be, so that they end at the same time and not in turn."""
    for destination in destinations:
        if isinstance(destination, Interruptible):
            destination.interrupt()


class Destination(Protocol):
    """One opened place that an image goes to: a repository, a folder. Its methods are called in the order below.

    Further capabilities are protocols of their own, such as `Remembers` and `TakesIndexes`.
    """

    @property
    def name(self) -> str:
        """The name in messages and events: `ghcr.io/owner/name`, `oci:DIR`. It contains no secret."""

    def check(self) -> None:
        """Raise errors.Error if the destination can't be written to. This is cheap, and happens before anything is built."""

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Make sure that the blob of a layer is there. Called from several threads, once a layer, in any order.

        With `certain=False` the blob is sent even if the destination reports that it has it. BlobsUnknownError if the
        blob is missing and the layer can't be opened.
        """

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        """Write config and manifest without any name, after all layers were taken. May raise BlobsUnknownError.

        `alone` is True if nothing else has to be there before the image gets its names, neither at this destination nor
        at another: then its manifest may arrive with its first name.
        """
