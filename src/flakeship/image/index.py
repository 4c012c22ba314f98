"""Making an index: the document that lists images for several platforms under one name.

https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flakeship.image.document import encode
from flakeship.image.media_types import OCI, Family
from flakeship.image.model import EMPTY, Descriptor, IndexEntry, Packed, PackedIndex


def seal_index(
    images: Sequence[Packed | Descriptor],
    *,
    annotations: Mapping[str, str] = EMPTY,
    descriptor_annotations: Mapping[str, str] = EMPTY,
    family: Family = OCI,
) -> PackedIndex:
    """Return the index of these images, in their order: a client takes the first that fits its platform.

    A descriptor stands for an image that every destination has already. `descriptor_annotations` are for the
    descriptor of the index, where another index lists it.
    """
    entries = tuple(
        IndexEntry(image.descriptor, image) if isinstance(image, Packed) else IndexEntry(image)
        for image in images
    )
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": family.index,
        "manifests": [entry.descriptor.to_json() for entry in entries],
    }
    annotated = family is OCI  # docker's lists know no annotations
    if annotated and annotations:
        document["annotations"] = dict(annotations)
    manifest = encode(document)
    descriptor = Descriptor.of(family.index, manifest)
    if annotated:
        descriptor = replace(descriptor, annotations=descriptor_annotations)
    return PackedIndex(manifest, descriptor, entries)
