"""Blobs by digest, wherever they are, and the JSON documents among them: read within limits and checked.

https://github.com/opencontainers/image-spec/blob/main/descriptor.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from flakeship.errors import NotAnImageError
from flakeship.image.adopt import wrong_digest
from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.model import Descriptor, Digest, Platform, parse_digest
from flakeship.image.place import TooLargeError, WrongDigestError, read_document_bytes
from flakeship.image.stream import Reader, read_full
from flakeship.image.tar.blocks import BLOCK
from flakeship.printable import counted
from flakeship.sources import git_lfs

DAMAGED: Final = "make the image again: it is damaged, or made by a builder that flakeship does not know"


class Blobs(Protocol):
    """The blobs of a layout or of a repository.

    `what` is what messages call the place. `here` is False for a registry, where layers are not read unless they must be.
    """

    what: str
    here: bool

    def open(self, digest: Digest) -> Reader:
        """NotAnImageError if the image lacks it."""

    def open_document(self, entry: Descriptor) -> Reader:
        """The same for a manifest, an index or a config."""

    def size(self, digest: Digest) -> int | None:
        """Return the size in bytes, None where there is no such blob; 0 or less where a registry does not state it."""


@dataclass(frozen=True, slots=True)
class RegistryImage:
    """An image of a registry; `entry` is of the manifest or index that the reference names, `repository` the reference without it."""

    blobs: Blobs
    entry: Descriptor
    repository: str = ""


def document(blobs: Blobs, entry: Descriptor) -> dict[str, Any]:
    """A JSON document by its descriptor. NotAnImageError where it is missing, too large, or another."""
    try:
        return decode_object(document_bytes(blobs, entry))
    except ValueError as error:
        raise NotAnImageError(
            f"the document {entry.digest} of {blobs.what} can't be read: {error}", hint=DAMAGED
        ) from error


def document_bytes(blobs: Blobs, entry: Descriptor) -> bytes:
    """The same document as it is kept. NotAnImageError where it is missing, too large, or another."""
    called = f"{entry.digest} of {blobs.what}"
    if blobs.here:
        check_size(blobs, entry)
    if entry.size > DOCUMENT_LIMIT:
        raise NotAnImageError(f"the document {called} has more than {DOCUMENT_LIMIT} bytes", hint=DAMAGED)
    try:
        with blobs.open_document(entry) as reader:
            return read_document_bytes(reader, entry.digest)
    except TooLargeError as error:
        raise NotAnImageError(
            f"the document {called} has more than {DOCUMENT_LIMIT} bytes", hint=DAMAGED
        ) from error
    except WrongDigestError as error:
        raise wrong_digest(entry.digest, error.size, error.found) from error


def parse_descriptor(entry: Any, what: str) -> Descriptor:
    """NotAnImageError for a document that is not an image."""
    try:
        size, media_type = entry["size"], entry.get("mediaType", "")
        if type(size) is not int or size < 0 or not isinstance(media_type, str):
            raise ValueError(f"the size {size!r} or the media type {media_type!r} can't be")
        artifact_type = entry.get("artifactType")
        return Descriptor(
            media_type,
            parse_digest(entry["digest"]),
            size,
            parse_annotations(entry.get("annotations"), what),
            _platform(entry.get("platform")),
            artifact_type if isinstance(artifact_type, str) else "",
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotAnImageError(f"{what} holds a malformed descriptor: {error!r}", hint=DAMAGED) from error


def _platform(said: Any) -> Platform | None:
    """What a descriptor says of a platform, empty where it says nothing; TypeError where it is no object."""
    if not said:
        return None
    texts = {key: str(said.get(key) or "") for key in ("os", "architecture", "variant", "os.version")}
    features = said.get("os.features")
    return Platform(
        texts["os"],
        texts["architecture"],
        texts["variant"],
        texts["os.version"],
        tuple(map(str, features)) if isinstance(features, list) else (),
    )


def parse_annotations(value: Any, what: str) -> dict[str, str]:
    """Return the annotations of `what`. NotAnImageError where a value is not text."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise NotAnImageError(f"{what} has annotations that are not text", hint=DAMAGED)
    return value


def check_size(blobs: Blobs, entry: Descriptor) -> None:
    """NotAnImageError where the blob is missing, or of another size than is said."""
    size = blobs.size(entry.digest)
    untold = size is not None and size <= 0 and not blobs.here
    if size != entry.size and not untold:
        there = "is missing" if size is None else f"has {counted(size, 'byte')} instead of {entry.size}"
        hint = DAMAGED
        if size and blobs.here and _is_lfs_pointer(blobs, entry):
            there, hint = "is a pointer of git LFS", git_lfs.HINT
        raise NotAnImageError(f"{blobs.what} is incomplete: its blob {entry.digest} {there}", hint=hint)


def _is_lfs_pointer(blobs: Blobs, entry: Descriptor) -> bool:
    with blobs.open(entry.digest) as reader:
        return git_lfs.is_pointer(read_full(reader, BLOCK))
