"""An artifact about an image, and the manifest by which a registry keeps it beside the image.

https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from flakeship.image.document import encode
from flakeship.image.media_types import OCI
from flakeship.image.model import EMPTY, Descriptor

Kind: TypeAlias = Literal["sbom", "signature", "provenance", "attestation"]
Form: TypeAlias = Literal["1.1", "1.0"]
"""The version of image-spec that the manifest of an artifact follows."""

EMPTY_JSON: Final = "application/vnd.oci.empty.v1+json"
IN_TOTO: Final = "application/vnd.in-toto+json"
"""The type of a statement that nobody signed; `PREDICATE_TYPE` says what it states."""
PREDICATE_TYPE: Final = "in-toto.io/predicate-type"
"""The annotation of an artifact of type `IN_TOTO`, as Docker's images have it."""
CYCLONEDX: Final = "application/vnd.cyclonedx+json"
SPDX: Final = "application/spdx+json"

_NO_CONFIG: Final = b"{}"
_NO_IMAGE: Final = encode(
    {"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
)
"""`unknown` is what BuildKit writes for what is no image to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One document about an image. `subject` is the descriptor of the manifest, or of the index, that it is about.

    `data` is the document as it is attached, and `artifact_type` its media type. `statement` is the in-toto statement
    that is signed where the run signs, empty for what is not to be signed: its bundle is attached too or, where the
    document is nothing but the statement, in its place.

    A document that each run writes differently is attached once. With `unless_alike` it is not attached beside an artifact
    of the same type and annotations; with `only_if_new` it is not attached to a manifest that existed before this run,
    which does not know how that was made.
    """

    kind: Kind
    subject: Descriptor
    artifact_type: str
    data: bytes
    annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    statement: bytes = b""
    predicate_type: str = ""
    unless_alike: bool = False
    only_if_new: bool = False


@dataclass(frozen=True, slots=True)
class ArtifactManifest:
    """The bytes of a manifest, its descriptor as an index of referrers lists it, and the blobs that it names."""

    data: bytes
    descriptor: Descriptor
    blobs: tuple[tuple[Descriptor, bytes], ...]


def manifest_of(artifact: Artifact, form: Form = "1.1") -> ArtifactManifest:
    """Return the manifest of an artifact. It holds no clock: the same artifact gives the same bytes.

    In the form of image-spec 1.0 it has neither `artifactType` nor `subject`, and the config of an image that nothing can run, since
    GitLab refuses any other type of config: https://gitlab.com/gitlab-org/container-registry/-/issues/973. Only the
    fallback index tells which image such a manifest belongs to.
    """
    config = (
        (Descriptor.of(EMPTY_JSON, _NO_CONFIG), _NO_CONFIG)
        if form == "1.1"
        else (Descriptor.of(OCI.config, _NO_IMAGE), _NO_IMAGE)
    )
    layer = (Descriptor.of(artifact.artifact_type, artifact.data), artifact.data)
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI.manifest,
        "config": config[0].to_json(),
        "layers": [layer[0].to_json()],
    }
    if artifact.annotations:
        document["annotations"] = dict(artifact.annotations)
    if form == "1.1":
        subject = artifact.subject
        document["artifactType"] = artifact.artifact_type
        document["subject"] = Descriptor(subject.media_type, subject.digest, subject.size).to_json()
    data = encode(document)
    found = Descriptor.of(OCI.manifest, data)
    return ArtifactManifest(
        data,
        Descriptor(
            found.media_type,
            found.digest,
            found.size,
            annotations=artifact.annotations,
            artifact_type=artifact.artifact_type,
        ),
        (config, layer),
    )
