"""Find the manifests of images in an index, and in the indexes that it lists.

https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flakeship.errors import NotAnImageError
from flakeship.image.media_types import INDEXES, MANIFESTS
from flakeship.image.model import Descriptor, Platform
from flakeship.sources.blobs import DAMAGED, Blobs, document, parse_annotations, parse_descriptor

_DEPTH: Final = 4
_ENTRIES: Final = 200
_NOWHERE: Final = Platform("unknown", "unknown")
"""The platform that buildx gives to attestations, which are no images:
https://docs.docker.com/build/metadata/attestations/attestation-storage/.
"""


@dataclass(frozen=True, slots=True)
class ImageManifests:
    """The manifests of images that an index leads to, each with its platform.

    `left_out` counts the entries that are no images, or are missing.
    """

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    left_out: int = 0


def is_index(blobs: Blobs, entry: Descriptor) -> bool:
    """Return True for an index, False for the manifest of an image; the media type decides, else the content.

    NotAnImageError for anything else.
    """
    if entry.media_type in INDEXES | MANIFESTS:
        return entry.media_type in INDEXES
    content = document(blobs, entry) if not entry.media_type else {}
    said = entry.media_type or content.get("mediaType")
    if said in INDEXES or (not said and "manifests" in content):
        return True
    if said in MANIFESTS or (not said and "layers" in content and "config" in content):
        return False
    raise NotAnImageError(
        f"{blobs.what} holds something of the media type {said!r}, and no image",
        hint="schema 1 manifests and artifacts can't be published as images; make the image anew",
    )


def manifests_below(
    blobs: Blobs, entry: Descriptor, *, sparse: bool = False, depth: int = 1
) -> ImageManifests:
    """Return the images of an index and of the indexes in it. With `sparse`, what is missing is left out."""
    if depth > _DEPTH:
        raise NotAnImageError(f"{blobs.what} holds an index {_DEPTH} levels deep in others", hint=DAMAGED)
    index = document(blobs, entry)
    what = f"the index {entry.digest} of {blobs.what}"
    return manifests_among(
        blobs,
        entries(index, what),
        parse_annotations(index.get("annotations"), what),
        sparse=sparse,
        depth=depth,
    )


def manifests_among(
    blobs: Blobs,
    listed: Sequence[Descriptor],
    annotations: Mapping[str, str],
    *,
    sparse: bool = False,
    depth: int = 1,
) -> ImageManifests:
    """Return the images that these entries of an index lead to. NotAnImageError where there are none."""
    manifests: list[Descriptor] = []
    left_out = 0
    for child in {
        entry.digest: entry for entry in listed
    }.values():  # the same one is read once, or it grows with depth
        if child.platform == _NOWHERE or (sparse and blobs.size(child.digest) is None):
            left_out += 1
        elif is_index(blobs, child):
            below = manifests_below(blobs, child, sparse=sparse, depth=depth + 1)
            manifests += below.manifests
            left_out += below.left_out
        else:
            manifests.append(child)
    if not manifests:
        raise NotAnImageError(f"{blobs.what} holds an index without an image", hint=DAMAGED)
    return ImageManifests(tuple({entry.digest: entry for entry in manifests}.values()), annotations, left_out)


def entries(index: Mapping[str, Any], what: str) -> list[Descriptor]:
    """Return the entries of an index. NotAnImageError where it lists none, or too many."""
    listed = index.get("manifests")
    if not isinstance(listed, list) or len(listed) > _ENTRIES:
        raise NotAnImageError(f"{what} lists no manifests, or more than {_ENTRIES}", hint=DAMAGED)
    return [parse_descriptor(entry, what) for entry in listed]
