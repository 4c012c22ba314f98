"""Sigstore's bundles, version 0.3: an envelope with what its signature is verified by, as cosign 3 writes and reads them.

https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from flakeship.attest.artifact import Artifact
from flakeship.attest.dsse import Envelope
from flakeship.image.document import decode_object, encode

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
CONTENT: Final = "dev.sigstore.bundle.content"
PREDICATE: Final = "dev.sigstore.bundle.predicateType"
"""The annotations that say what is in a bundle: https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md."""
SIGNED_BY: Final = "dev.flakeship.signed-by"
"""Our annotation of bundles that each run writes differently: who signed, as `keyless` with the identity, or the fingerprint of the key (`SHA256:…`)."""

LIMIT: Final = 256 << 20
"""Bytes of a bundle that is read: it may hold an SBOM, of which Base64 makes a third more."""

_VERSION_1: Final = "application/vnd.dev.sigstore.bundle+json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """`hint` tells which key signed, empty for one that holds a certificate. `material` is its verification material."""

    envelope: Envelope
    hint: str = ""
    material: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Read a bundle. ValueError, with a reason, if the bytes are not a bundle, or hold no envelope."""
        document = decode_object(data, limit=LIMIT)
        said = document.get("mediaType")
        if not (isinstance(said, str) and said.startswith((BUNDLE[:-9], _VERSION_1))):
            raise ValueError("it is no Sigstore bundle")
        material = document.get("verificationMaterial")
        if not isinstance(material, dict):
            raise ValueError("its bundle has no verification material")  # noqa: TRY004  bad data, not a bug
        key = material.get("publicKey")
        hint = key.get("hint", "") if isinstance(key, dict) else ""
        return cls(
            Envelope.of(document.get("dsseEnvelope")), hint if isinstance(hint, str) else "", dict(material)
        )


def bundle_by_key(envelope: Envelope, hint: str) -> bytes:
    """Return the bundle of an envelope that a key signed. It holds no time: the same envelope gives the same bytes."""
    return encode(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": hint}},
            "dsseEnvelope": envelope.to_json(),
        }
    )


def annotations_of_bundle(predicate_type: str) -> dict[str, str]:
    """The annotations by which verifiers find a bundle without reading it."""
    return {CONTENT: "dsse-envelope", PREDICATE: predicate_type}


def bundled(artifact: Artifact, bundle: bytes, further: Mapping[str, str]) -> Artifact:
    """The bundle of an artifact's statement, as an artifact about the same image, with `further` annotations."""
    return Artifact(
        kind=artifact.kind if artifact.data == artifact.statement else "attestation",
        subject=artifact.subject,
        artifact_type=BUNDLE,
        data=bundle,
        annotations={**annotations_of_bundle(artifact.predicate_type), **further},
        predicate_type=artifact.predicate_type,
        unless_alike=artifact.unless_alike,
        only_if_new=artifact.only_if_new,
    )
