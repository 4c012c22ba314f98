"""What a document is, an index or the manifest of an image: by what it says, for places call it this and that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flakeship.errors import NotAnImageError
from flakeship.image.existing import media_type_of
from flakeship.image.media_types import INDEXES, MANIFESTS, OCI, SAYS_LITTLE, plain_type
from flakeship.image.model import Descriptor
from flakeship.sources.blobs import Blobs, document, document_bytes


def is_index(blobs: Blobs, entry: Descriptor) -> bool:
    """Return True for an index, False for the manifest of an image; what the document says of itself comes first.

    NotAnImageError for anything else.
    """
    content = manifest_document(blobs, entry)
    found = _by_content(content)
    if found is None:
        found = _by_type(entry.media_type)
    if found is not None:
        return found
    if content.get("schemaVersion") == 1:
        raise NotAnImageError(
            f"{blobs.what} holds a manifest of schema 1, which registries no longer take",
            hint="pull the image with docker and push it again, or make it anew",
        )
    said = entry.media_type or content.get("mediaType")
    raise NotAnImageError(
        f"{blobs.what} holds something of the media type {said!r}, which is not an image",
        hint="name a container image; for other artifacts use `oras`",
    )


def manifest_document(blobs: Blobs, entry: Descriptor) -> Mapping[str, Any]:
    """Read a manifest or an index; a registry keeps these apart from blobs, whatever an entry says of them."""
    return document(blobs, _among_manifests(entry))


def manifest_bytes(blobs: Blobs, entry: Descriptor) -> bytes:
    """The same as it is kept."""
    return document_bytes(blobs, _among_manifests(entry))


def _among_manifests(entry: Descriptor) -> Descriptor:
    known = entry.media_type in INDEXES | MANIFESTS
    return entry if known else replace(entry, media_type=OCI.manifest)


def _by_type(media_type: str) -> bool | None:
    plain = plain_type(media_type)
    return plain in INDEXES if plain in INDEXES | MANIFESTS else None


def _by_content(content: Mapping[str, Any]) -> bool | None:
    """Whether a document is an index, where it says so; by its keys where it states no media type."""
    said = media_type_of(content)
    if said:
        return _by_type(said)
    if "manifests" in content:
        return True
    return False if "layers" in content and "config" in content else None


def listed_is_index(blobs: Blobs, entry: Descriptor) -> bool | None:
    """The same of an entry, which is read only where its media type says little; None for what is neither."""
    found = _by_type(entry.media_type)
    if found is not None or plain_type(entry.media_type) not in SAYS_LITTLE:
        return found
    try:
        return _by_content(manifest_document(blobs, entry))
    except NotAnImageError:  # a file of another kind
        if entry.media_type:
            return None
        raise
