"""The two families of media types. One image keeps to one of them: Quay refuses a mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Family:
    """Media types of one family; a layer's is `layer` plus the compression's suffix."""

    name: str
    manifest: str
    index: str
    config: str
    layers: dict[str, str]
    """The media types of layers, by the suffix that image-spec appends for the compression: "", "+gzip", "+zstd"."""


_OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"

# https://github.com/opencontainers/image-spec/blob/main/media-types.md
OCI: Final = Family(
    name="oci",
    manifest="application/vnd.oci.image.manifest.v1+json",
    index="application/vnd.oci.image.index.v1+json",
    config="application/vnd.oci.image.config.v1+json",
    layers={"": _OCI_LAYER, "+gzip": _OCI_LAYER + "+gzip", "+zstd": _OCI_LAYER + "+zstd"},
)
# https://distribution.github.io/distribution/spec/manifest-v2-2/ knows no zstd
DOCKER: Final = Family(
    name="docker",
    manifest="application/vnd.docker.distribution.manifest.v2+json",
    index="application/vnd.docker.distribution.manifest.list.v2+json",
    config="application/vnd.docker.container.image.v1+json",
    layers={"": _DOCKER_LAYER, "+gzip": _DOCKER_LAYER + ".gzip"},
)
FAMILIES: Final = {family.name: family for family in (OCI, DOCKER)}

INDEXES: Final = frozenset({OCI.index, DOCKER.index})
MANIFESTS: Final = frozenset({OCI.manifest, DOCKER.manifest})
CONFIGS: Final = frozenset({OCI.config, DOCKER.config})
SUFFIX_OF_LAYER: Final = {
    media_type: suffix for family in (OCI, DOCKER) for suffix, media_type in family.layers.items()
}
"""From a layer's media type to the suffix that names its compression in `Family.layers`."""

SAYS_LITTLE: Final = frozenset(
    {"", "application/json", "application/octet-stream", "binary/octet-stream", "text/html", "text/plain"}
)
"""Media types of documents that were stored or served as files: what is in them tells what they are.

docker takes configs of these: https://github.com/distribution/distribution/issues/1621.
"""

_LAYER_FAMILIES: Final = ("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs.")
_COMPRESSED: Final = {
    "tar": "",
    "tar+gzip": "+gzip",
    "tar.gzip": "+gzip",
    "tar+zstd": "+zstd",
    "tar.zstd": "+zstd",
}


def plain_type(media_type: str) -> str:
    """Return a media type without parameters, in small letters: RFC 9110, section 8.3.1."""
    return media_type.partition(";")[0].strip().lower()


def suffix_of_layer(media_type: str) -> str | None:
    """Return the suffix in `Family.layers` that a layer's media type means, in either family's spelling; None for others.

    Docker's with zstd is in no specification, and met all the same: https://github.com/containerd/containerd/issues/9263.
    """
    plain = plain_type(media_type)
    if not plain.startswith(_LAYER_FAMILIES):
        return None
    return _COMPRESSED.get(plain.removeprefix(_OCI_LAYER[:-3]).removeprefix(_DOCKER_LAYER[:-3]))
