"""Several sealed images → the index under which they go by one name.

https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flakeship.image.document import encode
from flakeship.image.media_types import OCI, Family
from flakeship.image.model import EMPTY, Descriptor, Packed, PackedIndex


def seal_index(
    images: Sequence[Packed],
    *,
    annotations: Mapping[str, str] = EMPTY,
    descriptor_annotations: Mapping[str, str] = EMPTY,
    family: Family = OCI,
) -> PackedIndex:
    """In the order of `images`: a client takes the first that fits it. `descriptor_annotations` are those of the index's own."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": family.index,
        "manifests": [image.descriptor.to_json() for image in images],
    }
    annotated = family is OCI  # docker's lists know no annotations
    if annotated and annotations:
        document["annotations"] = dict(annotations)
    manifest = encode(document)
    descriptor = Descriptor.of(family.index, manifest)
    if annotated:
        descriptor = replace(descriptor, annotations=descriptor_annotations)
    return PackedIndex(manifest, descriptor, tuple(images))
