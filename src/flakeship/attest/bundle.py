"""Sigstore's bundles, version 0.3: an envelope with what its signature is verified by, as cosign 3 writes and reads them.

https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from flakeship.attest.artifact import Artifact
from flakeship.attest.dsse import Envelope, check_fields
from flakeship.image.document import decode_object, encode

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
CONTENT: Final = "dev.sigstore.bundle.content"
PREDICATE: Final = "dev.sigstore.bundle.predicateType"
"""The annotations that say what is in a bundle: https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md."""
SIGNED_BY: Final = "dev.flakeship.signed-by"
"""Our annotation of bundles that each run writes differently: who signed, as `keyless` with the identity, or the fingerprint of the key (`SHA256:…`)."""

LIMIT: Final = 256 << 20
"""Bytes of a bundle that is read: it may hold an SBOM, of which Base64 makes a third more."""

_KIND: Final = "application/vnd.dev.sigstore.bundle"
_SAID: Final = f"{_KIND}+json;version="
_LOGGED: Final[Mapping[str, str]] = {
    BUNDLE: "",
    f"{_SAID}0.3": "",
    f"{_SAID}0.2": "inclusionProof",
    f"{_SAID}0.1": "inclusionPromise",
}
"""What each version demands of the entries in a log, and that there is one."""
_FIELDS: Final = frozenset({"mediaType", "verificationMaterial", "dsseEnvelope"})
_SIGNERS: Final = frozenset({"publicKey", "certificate", "x509CertificateChain"})
_MATERIAL: Final = _SIGNERS | {"tlogEntries", "timestampVerificationData"}


class UnknownVersionError(ValueError):
    """A bundle of a version that is not known, which may be right."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """`hint` tells which key signed, empty for one that holds a certificate. `material` is its verification material."""

    envelope: Envelope
    hint: str = ""
    material: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Read a bundle. ValueError, with a reason, if the bytes are not a bundle, or hold no envelope; UnknownVersionError for one of another version."""
        document = decode_object(data, limit=LIMIT)
        said = document.get("mediaType")
        if not (isinstance(said, str) and said in _LOGGED):
            of_any = isinstance(said, str) and said.startswith(_KIND)
            raise (UnknownVersionError if of_any else ValueError)(
                "it is no Sigstore bundle of a version that is known"
            )
        material = document.get("verificationMaterial")
        if not isinstance(material, dict):
            raise ValueError("its bundle has no verification material")  # noqa: TRY004  bad data, not a bug
        check_fields(document, _FIELDS, "bundle")
        check_fields(material, _MATERIAL, "verification material")
        if len(_SIGNERS & material.keys()) != 1:
            raise ValueError("its bundle does not name one key or one certificate")
        _check_beside(material, _LOGGED[said])
        key = material.get("publicKey", {})
        hint = key.get("hint", "") if isinstance(key, dict) else None
        if not isinstance(hint, str):
            raise ValueError("its bundle names no key")  # noqa: TRY004  bad data, not a bug
        check_fields(key, {"hint"}, "public key")
        return cls(Envelope.of(document.get("dsseEnvelope")), hint, dict(material))


def _check_beside(material: Mapping[str, Any], demanded: str) -> None:
    """Refuse entries of a log and timestamps that are none, as cosign does even where nobody asks for them. What they prove is not looked at."""
    entries = material.get("tlogEntries", [])
    if not isinstance(entries, list) or not all(
        isinstance(each, dict) and each.get("logId") and each.get("canonicalizedBody") for each in entries
    ):
        raise ValueError("its bundle lists what is no entry of a log")
    if demanded and not (entries and all(each.get(demanded) for each in entries)):
        raise ValueError(f"its bundle is of a version that demands an entry in a log with an {demanded}")
    times = material.get("timestampVerificationData") or {}
    if not isinstance(times, dict):
        raise ValueError("its bundle holds what is no timestamp")  # noqa: TRY004  bad data, not a bug
    check_fields(times, {"rfc3161Timestamps"}, "timestamp")


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
