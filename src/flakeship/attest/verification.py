"""Signatures, statements and SBOMs, compared with the image that they are about: pure checks, each with its reason.

A check that fails raises ValueError: its text says what is wrong, as the end of a sentence that begins with what was looked at.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flakeship.attest.artifact import CYCLONEDX, IN_TOTO, PREDICATE_TYPE, SPDX
from flakeship.attest.bundle import LIMIT, PREDICATE, Bundle
from flakeship.attest.dsse import check_fields
from flakeship.attest.keys import VerifyingKey
from flakeship.attest.statement import CYCLONEDX_BOM, SIGNED, SLSA_PROVENANCE, SPDX_DOCUMENT, STATEMENT
from flakeship.image.document import decode_object
from flakeship.image.model import Digest, parse_digest

_STATEMENTS: Final = frozenset({STATEMENT, "https://in-toto.io/Statement/v0.1"})
_FIELDS: Final = frozenset({"_type", "subject", "predicateType", "predicate"})
_SUBJECT_FIELDS: Final = frozenset(
    {"name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"}
)
"""https://github.com/in-toto/attestation/blob/main/spec/v1/resource_descriptor.md"""
_MOST_SUBJECTS: Final = 10_000
_SIMPLE_SIGNING: Final = "cosign container image signature"
_STORE_PATH: Final = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]+")
_SHOWN: Final = 3
_UNREAD: Final = "flakeship:layers-unread"


@dataclass(frozen=True, slots=True)
class Statement:
    """An in-toto statement: that `predicate` holds for `subjects`."""

    subjects: tuple[Digest, ...]
    predicate_type: str
    predicate: Mapping[str, Any]

    @property
    def is_sbom(self) -> bool:
        """Whether its predicate is an SBOM."""
        return self.predicate_type == CYCLONEDX_BOM or self.predicate_type.startswith(SPDX_DOCUMENT)

    @property
    def is_provenance(self) -> bool:
        """Whether its predicate is SLSA's provenance of this version."""
        return self.predicate_type == SLSA_PROVENANCE

    @property
    def is_signature(self) -> bool:
        """Whether it says no more than that the image is signed."""
        return self.predicate_type == SIGNED


class OtherKeyError(ValueError):
    """The signature names another key than the one that was given, or a certificate: it may still be valid."""


def read_statement(data: bytes, *, strict: bool = False) -> Statement:
    """Read a statement of version 1 or 0.1. A `strict` one has no field that the format does not have: cosign refuses it."""
    document = decode_object(data, limit=LIMIT)
    if document.get("_type") not in _STATEMENTS:
        raise ValueError("is no in-toto statement")
    subjects, predicate = document.get("subject"), document.get("predicate")
    kind = document.get("predicateType")
    if not isinstance(subjects, list) or not subjects or len(subjects) > _MOST_SUBJECTS:
        raise ValueError("names no subject")
    if not isinstance(kind, str) or not isinstance(predicate, (dict, type(None))):
        raise ValueError("has no predicate")  # noqa: TRY004  bad data, not a bug
    if strict:
        check_fields(document, _FIELDS, "statement")
        for each in _dicts(subjects):
            check_fields(each, _SUBJECT_FIELDS, "subject")
    return Statement(tuple(_subject(each) for each in subjects), kind, predicate or {})


def check_subject(statement: Statement, digest: Digest) -> None:
    """Refuse a statement of another image: anybody who may write to a repository can copy one there."""
    if digest not in statement.subjects:
        others = len(statement.subjects) - 1
        more = f" and {others} others" if others else ""
        raise ValueError(f"is about {statement.subjects[0]}{more}, and not about this image")


def statement_in(bundle: Bundle, digest: Digest, annotations: Mapping[str, str]) -> Statement:
    """Return what a bundle states of the image with this digest. Who signed it is not looked at.

    `annotations` are those of the manifest that holds it; what they say of the bundle must be right.
    """
    if bundle.envelope.payload_type != IN_TOTO:
        raise ValueError("holds no in-toto statement")
    statement = read_statement(bundle.envelope.payload, strict=True)
    check_subject(statement, digest)
    _check_announced(statement, annotations.get(PREDICATE))
    return statement


def unsigned_statement(data: bytes, digest: Digest, annotations: Mapping[str, str]) -> Statement:
    """Return the predicate of an unsigned statement about the image with this digest."""
    statement = read_statement(data)
    check_subject(statement, digest)
    _check_announced(statement, annotations.get(PREDICATE_TYPE))
    return statement


def check_signed_by(bundle: Bundle, key: VerifyingKey) -> None:
    """Refuse a bundle that this key has not signed. OtherKeyError where it says itself that another has."""
    by_key = bundle.material is not None and isinstance(bundle.material.get("publicKey"), dict)
    if by_key and key.verifies(bundle.envelope.signature, bundle.envelope.signed):
        return
    if bundle.hint != key.hint:
        raise OtherKeyError(
            "is signed by another key" if bundle.hint else "is signed by a certificate, and by no key"
        )
    raise ValueError("names the key, and its signature is over other bytes")


def check_tagged_signature(payload: bytes, signature: str, digest: Digest, key: VerifyingKey | None) -> None:
    """Check a signature (Base64) of the tag `sha256-HEX.sig`: the payload names this digest, and the key, if one is given, has signed it.

    OtherKeyError if another key has: a payload does not tell which.
    """
    try:
        document = decode_object(payload)
    except ValueError as error:
        raise ValueError(f"has a payload that can't be read: {error}") from error
    critical = document.get("critical")
    image = critical.get("image") if isinstance(critical, dict) else None
    if (
        not isinstance(critical, dict)
        or critical.get("type") != _SIMPLE_SIGNING
        or not isinstance(image, dict)
    ):
        raise ValueError("has a payload that is not of cosign's form")
    for each in (document, critical, image):
        if len({name.casefold() for name in each}) < len(each):
            raise ValueError("has a payload with one key in two spellings, which cosign takes for one")
    if image.get("docker-manifest-digest") != digest:
        raise ValueError(
            f"is about {str(image.get('docker-manifest-digest'))[:80]}, and not about this image"
        )
    try:
        signed = b64decode(signature, validate=True)
    except ValueError as error:
        raise ValueError("is not in Base64") from error
    if key and not key.verifies(signed, payload):
        raise OtherKeyError("is not by this key, or is over other bytes")


def paths_in_sbom(document: Mapping[str, Any], media_type: str) -> frozenset[str]:
    """Return the store paths that an SBOM of flakeship lists; none for an SBOM of another program."""
    texts = _outputs_of_cyclonedx(document) if _is_cyclonedx(media_type) else _outputs_of_spdx(document)
    return frozenset(path for text in texts for path in _STORE_PATH.findall(text))


def layers_unread(document: Mapping[str, Any], media_type: str) -> int:
    """Return how many layers an SBOM of flakeship says it does not cover: it need not name what they hold."""
    if _is_cyclonedx(media_type):
        metadata = document.get("metadata")
        facts = _dicts(metadata.get("properties") if isinstance(metadata, dict) else None)
        said = next((str(each.get("value")) for each in facts if each.get("name") == _UNREAD), "")
    else:
        creation = document.get("creationInfo")
        comment = str(creation.get("comment", "")) if isinstance(creation, dict) else ""
        said = comment.rpartition("layers that were not looked into: ")[2]
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 6 else 0


def compare_paths(stated: Collection[str], found: Collection[str]) -> None:
    """Refuse an SBOM that names other store paths than the layers hold."""
    missing, surplus = sorted(set(found) - set(stated)), sorted(set(stated) - set(found))
    faults = []
    if missing:
        faults.append(f"lacks {_listed(missing)}, which the layers hold")
    if surplus:
        faults.append(f"names {_listed(surplus)}, which no layer holds")
    if faults:
        raise ValueError(" and ".join(faults))


def named_key(key: VerifyingKey) -> str:
    """What messages call a key: the beginning of its fingerprint, as a bundle's hint has it."""
    return f"SHA256:{key.hint.rstrip('=')}"


def _check_announced(statement: Statement, announced: str | None) -> None:
    if announced is not None and announced != statement.predicate_type:
        raise ValueError(
            f"is announced as {announced[:80]!r} by its annotation, and states {statement.predicate_type[:80]!r}"
        )


def _subject(entry: Any) -> Digest:
    digests = entry.get("digest") if isinstance(entry, dict) else None
    value = digests.get("sha256") if isinstance(digests, dict) else None
    if not isinstance(value, str):
        raise ValueError("names a subject without a SHA-256 digest")  # noqa: TRY004  bad data, not a bug
    return parse_digest(f"sha256:{value}")


def _is_cyclonedx(media_type: str) -> bool:
    return media_type in (CYCLONEDX, CYCLONEDX_BOM)


def is_sbom_type(media_type: str) -> bool:
    """Tell whether an artifact of this type is an SBOM that nobody signed."""
    return media_type in (CYCLONEDX, SPDX)


def _outputs_of_cyclonedx(document: Mapping[str, Any]) -> Iterator[str]:
    for component in _dicts(document.get("components")):
        for entry in _dicts(component.get("properties")):
            if entry.get("name") == "nix:output":
                yield str(entry.get("value")).partition(" ")[0]


def _outputs_of_spdx(document: Mapping[str, Any]) -> Iterator[str]:
    for package in _dicts(document.get("packages")):
        for text in str(package.get("comment", "")).split("; "):
            yield text.partition(" ")[0]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _listed(paths: list[str]) -> str:
    more = len(paths) - _SHOWN
    return ", ".join(paths[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
