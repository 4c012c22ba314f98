"""The names in an OCI image layout, in a folder or a tar: https://github.com/opencontainers/image-spec/blob/main/image-layout.md."""

from __future__ import annotations

from typing import Final

from flakeship.image.model import Digest

LAYOUT_FILE: Final = "oci-layout"
INDEX_FILE: Final = "index.json"
BLOBS: Final = "blobs"
LAYOUT_DOCUMENT: Final = {"imageLayoutVersion": "1.0.0"}
"""The content of `LAYOUT_FILE`."""

REF_NAME: Final = "org.opencontainers.image.ref.name"
"""Annotation of an entry of the index: the name of an image within the layout, mostly a tag."""

CONTAINERD_NAME: Final = "io.containerd.image.name"
"""Annotation by which containerd, and so docker's newer store, names what it imports: a full reference.

https://github.com/containerd/containerd/blob/main/core/images/annotations.go"""

NAMES: Final = (CONTAINERD_NAME, REF_NAME)
"""Annotations that name an image; docker writes both, and the first is the full one."""


def blob_path(digest: Digest) -> str:
    """The path of a blob within the layout: `blobs/sha256/…`."""
    return f"{BLOBS}/{digest.replace(':', '/')}"
