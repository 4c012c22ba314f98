"""Reading an image's documents where the image is kept: reference → manifest → config, within limits and checked.

A place is a repository of a registry, or an image layout. What is wrong with a document is a DocumentError, and each
caller decides what follows: `inspect` and the sources refuse the image, reuse leaves it out.
https://github.com/opencontainers/image-spec/blob/main/manifest.md
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.existing import ExistingImage, children, config_of, existing_image, media_type_of
from flakeship.image.media_types import INDEXES
from flakeship.image.model import Digest, parse_digest
from flakeship.image.stream import Hashing, Reader, read_full


class RawManifest(Protocol):
    """A manifest or an index as it is kept: its bytes and their digest."""

    @property
    def media_type(self) -> str:
        """The media type that the place states; empty where it states none."""

    @property
    def data(self) -> bytes:
        """The bytes of the manifest."""

    @property
    def digest(self) -> Digest:
        """The SHA-256 digest of `data`."""


class Place(Protocol):
    """A repository of a registry, or an image layout."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def get_manifest(self, reference: str) -> RawManifest | None:
        """Return the manifest or index of a tag or a digest; None if it does not exist."""

    def get_blob(self, digest: Digest) -> AbstractContextManager[Reader]:
        """Open a blob."""


class DocumentError(ValueError):
    """A manifest, an index or a config is not what it should be."""


class TooLargeError(DocumentError):
    """The document has more than DOCUMENT_LIMIT bytes."""

    def __init__(self) -> None:
        super().__init__(f"it has more than {DOCUMENT_LIMIT} bytes")


class WrongDigestError(DocumentError):
    """The document has another digest than the one by which it was found. `size` is in bytes."""

    def __init__(self, expected: Digest, found: str, size: int) -> None:
        super().__init__(f"{expected} has the digest {found}")
        self.expected, self.found, self.size = expected, found, size


class MalformedError(DocumentError):
    """The document is not a JSON object; the message says what else it is."""


@dataclass(frozen=True, slots=True)
class ManifestDocument:
    """The content of a manifest or an index. `media_type` is what the place states, else what the document says."""

    digest: Digest
    media_type: str
    content: Mapping[str, Any]

    @property
    def is_index(self) -> bool:
        """True for what lists images of several platforms."""
        return self.media_type in INDEXES or "manifests" in self.content

    def children(self) -> tuple[Digest, ...]:
        """Return the digests of the manifests that an index lists. ValueError where it lists none."""
        return children(self.content)


def read_manifest(place: Place, reference: str) -> ManifestDocument | None:
    """Return the manifest or index of a tag or a digest; None if it does not exist. Raises DocumentError."""
    found = place.get_manifest(reference)
    if found is None:
        return None
    digest = parse_digest(reference) if ":" in reference else found.digest
    content = read_document(io.BytesIO(found.data), digest)
    return ManifestDocument(digest, media_type_of(content) or found.media_type, content)


def read_image(place: Place, manifest: ManifestDocument) -> ExistingImage:
    """Return the image of a manifest by its config. DocumentError for the config, ValueError where the two disagree."""
    with place.get_blob(config_of(manifest.content).digest) as reader:
        config = read_document(reader, config_of(manifest.content).digest)
    return existing_image(place.name, manifest.content, config)


def read_document(reader: Reader, digest: Digest) -> dict[str, Any]:
    """Read a JSON document to its end and compare it with its digest. Raises a DocumentError of each kind."""
    try:
        return decode_object(read_document_bytes(reader, digest))
    except DocumentError:
        raise
    except ValueError as error:
        raise MalformedError(str(error)) from error


def read_document_bytes(reader: Reader, digest: Digest) -> bytes:
    """Read a document to its end and compare it with its digest. TooLargeError, WrongDigestError."""
    hashing = Hashing(reader, digest.partition(":")[0])
    data = read_full(hashing, DOCUMENT_LIMIT + 1)
    if len(data) > DOCUMENT_LIMIT:
        raise TooLargeError
    if hashing.digest != digest:
        raise WrongDigestError(digest, hashing.digest, len(data))
    return data
