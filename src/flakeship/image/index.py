"""Several sealed images → the index under which they go by one name.

https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flakeship.image.document import encode
from flakeship.image.media_types import OCI, Family
from flakeship.image.model import EMPTY, Descriptor, Packed, PackedIndex


def seal_index(
    images: Sequence[Packed], *, annotations: Mapping[str, str] = EMPTY, family: Family = OCI
) -> PackedIndex:
    """In the order of `images`: a client takes the first that fits it."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": family.index,
        "manifests": [image.descriptor.to_json() for image in images],
    }
    if annotations and family is OCI:  # docker's lists know no annotations
        document["annotations"] = dict(annotations)
    manifest = encode(document)
    return PackedIndex(manifest, Descriptor.of(family.index, manifest), tuple(images))
