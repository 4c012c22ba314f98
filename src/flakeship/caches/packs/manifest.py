"""The manifest of a root: an image to any registry, whose layers are the index and the packs.

https://github.com/opencontainers/image-spec/blob/main/manifest.md. It has neither an artifactType nor a config of its own type:
GitLab refuses both (https://gitlab.com/gitlab-org/container-registry/-/issues/973).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flakeship.caches.packs.index import VERSION, LaterVersionError
from flakeship.image.document import decode_object, encode
from flakeship.image.media_types import OCI
from flakeship.image.model import Descriptor, Digest, parse_digest

_INDEX: Final = "application/vnd.dev.flakeship.nix-index."
INDEX_TYPE: Final = f"{_INDEX}v{VERSION}+zstd"
PACK_TYPE: Final = "application/vnd.dev.flakeship.nar-pack.v1"
MOST_PACKS: Final = 400
"""ECR takes 500 layers: https://github.com/spinframework/spin/issues/1787."""

CONFIG: Final = encode(
    {"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
)
"""The config of every root. `unknown` is what BuildKit writes for what is no image to run."""

ROOT: Final = "dev.flakeship.nix-cache.root"
PATHS: Final = "dev.flakeship.nix-cache.paths"
SOURCE: Final = "org.opencontainers.image.source"
"""Links the package with its repository on GitHub, and so gives its workflows the right to write it."""

_MOST_INDEX: Final = 64 * 1024 * 1024


class NotARootError(ValueError):
    """It is an image, or of another tool."""


@dataclass(frozen=True, slots=True)
class RootManifest:
    """The index and the packs of a root, each as its digest and its size in bytes."""

    index: tuple[Digest, int]
    packs: tuple[tuple[Digest, int], ...]
    annotations: Mapping[str, str]


def encode_manifest(manifest: RootManifest) -> bytes:
    """Write the manifest of a root."""
    layers = [(INDEX_TYPE, *manifest.index), *((PACK_TYPE, *pack) for pack in manifest.packs)]
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI.manifest,
            "config": Descriptor.of(OCI.config, CONFIG).to_json(),
            "layers": [Descriptor(*layer).to_json() for layer in layers],
            "annotations": dict(manifest.annotations),
        }
    )


def decode_manifest(data: bytes) -> RootManifest:
    """Read the manifest of a root. NotARootError for one of something else, LaterVersionError, or ValueError if it is damaged."""
    document = decode_object(data)
    layers = document.get("layers")
    first = layers[0] if isinstance(layers, list) and layers else None
    kind = first.get("mediaType") if isinstance(first, dict) else None
    if not isinstance(kind, str) or not kind.startswith(_INDEX):
        raise NotARootError("it is an image, or something of another tool")
    if kind != INDEX_TYPE:
        raise LaterVersionError(
            f"its index is of the type {kind[:100]}, and this flakeship knows {INDEX_TYPE}"
        )
    assert isinstance(layers, list)
    index, *packs = (_blob(layer) for layer in layers)
    if index[1] > _MOST_INDEX:
        raise ValueError("its index is too large")
    annotations = document.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise ValueError("its annotations are no object")  # noqa: TRY004 - bad data, not a bug
    return RootManifest(index, tuple(packs), {str(key): str(value) for key, value in annotations.items()})


def _blob(layer: object) -> tuple[Digest, int]:
    if not isinstance(layer, dict):
        raise ValueError("a layer is no descriptor")  # noqa: TRY004 - bad data, not a bug
    size = layer.get("size")
    if type(size) is not int or size < 0:
        raise ValueError("a layer has no size")
    return parse_digest(layer.get("digest")), size
