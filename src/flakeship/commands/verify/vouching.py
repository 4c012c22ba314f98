"""Who vouches for an image: what is attached to it, judged by a key or an identity; and what is judged without either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from flakeship.attest.artifact import IN_TOTO
from flakeship.attest.bundle import Bundle, UnknownVersionError
from flakeship.attest.keys import VerifyingKey
from flakeship.attest.provenance import check_predicate
from flakeship.attest.verification import (
    OtherKeyError,
    Statement,
    check_signed_by,
    check_tagged_signature,
    compare_paths,
    layers_unread,
    named_key,
    paths_in_sbom,
    statement_in,
    unsigned_statement,
)
from flakeship.commands.verify.attached import AttachedDocument, AttachedTo
from flakeship.commands.verify.images import ExaminedImage
from flakeship.image.document import decode_object, encode
from flakeship.image.model import Digest
from flakeship.printable import counted
from flakeship.report.findings import Finding

Vouch: TypeAlias = Callable[[Bundle, bytes], None]
"""Checks who signed a bundle, which is given with its bytes. ValueError if the signer is not trusted, OtherKeyError
if the bundle names another one.
"""

_HINT: Final = "publish the image again and sign it; do not run it until you know who attached this"
_LARGEST: Final = 256 << 20
_LONGEST: Final = 300
"""Characters of a text that somebody stated, as it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Who is trusted: a key, or the identity in a certificate. `check` is None where nobody is; `name` is for messages."""

    name: str = ""
    check: Vouch | None = None
    key: VerifyingKey | None = None

    @classmethod
    def in_key(cls, key: VerifyingKey) -> Trust:
        """Trust in whoever has the private half of a key."""
        return cls(
            name=f"the key {named_key(key)}",
            check=lambda bundle, _data: check_signed_by(bundle, key),
            key=key,
        )


@dataclass(slots=True)
class Vouched:
    """What was found for one manifest. `signatures` counts the signatures of the trusted signer, `others` those of
    other signers, and `unchecked` those that are not checked because nobody is trusted. Each statement comes with
    True if the trusted signer signed it.
    """

    signatures: int = 0
    unchecked: int = 0
    others: int = 0
    provenance: list[tuple[Statement, bool]] = field(default_factory=list)
    sboms: list[tuple[Mapping[str, Any], str, bool]] = field(default_factory=list)
    faults: list[Finding] = field(default_factory=list)


def vouched(attached: AttachedTo, digest: Digest, trust: Trust) -> Vouched:
    """Judge all that is attached to the manifest with this digest."""
    found = Vouched()
    for error in attached.faults:
        found.faults.append(Finding("attached", "error", error.message, error.hint))
    for document in attached.documents:
        try:
            _take(document, digest, trust, found)
        except ValueError as error:
            what = "the signed statement" if document.is_bundle else "the document"
            found.faults.append(
                Finding(
                    "attached", "error", f"{what} {document.manifest}, attached to {digest}, {error}", _HINT
                )
            )
    for each in attached.tagged:
        try:
            check_tagged_signature(each.payload, each.signature, digest, trust.key)
        except OtherKeyError:
            found.others += 1
        except ValueError as error:
            found.faults.append(
                Finding("signature", "error", f"a signature under the tag of {digest} {error}", _HINT)
            )
        else:
            found.signatures += trust.key is not None
            found.unchecked += trust.key is None
    return found


def _take(document: AttachedDocument, digest: Digest, trust: Trust, found: Vouched) -> None:
    if document.is_bundle:
        try:
            bundle = _bundle(document.data)
        except UnknownVersionError:  # of a later cosign, say: it proves nothing here, and is no fault
            found.others += 1
            return
        statement = statement_in(bundle, digest, document.annotations)
        trusted = _is_trusted(bundle, document.data, trust, found)
        _keep(statement, trusted, found)
        if statement.is_signature:
            found.signatures += trusted
            found.unchecked += trust.check is None
    elif document.kind == IN_TOTO:
        _keep(unsigned_statement(document.data, digest, document.annotations), False, found)
    else:
        found.sboms.append((_decoded(document.data), document.kind, False))


def _bundle(data: bytes) -> Bundle:
    try:
        return Bundle.of(data)
    except UnknownVersionError:
        raise
    except ValueError as error:
        raise ValueError(f"can't be read: {error}") from error


def _decoded(data: bytes) -> Mapping[str, Any]:
    try:
        return decode_object(data, limit=_LARGEST)
    except ValueError as error:
        raise ValueError(f"can't be read: {error}") from error


def _is_trusted(bundle: Bundle, data: bytes, trust: Trust, found: Vouched) -> bool:
    """Whether the trusted signer signed it. ValueError if it claims so and the signature does not hold."""
    if trust.check is None:
        return False
    try:
        trust.check(bundle, data)
    except OtherKeyError:
        found.others += 1
        return False
    return True


def _keep(statement: Statement, trusted: bool, found: Vouched) -> None:
    if statement.is_provenance:
        try:
            check_predicate(statement.predicate)
        except ValueError as error:
            raise ValueError(f"is no provenance of SLSA v1: {error}") from error
        found.provenance.append((statement, trusted))
    elif statement.is_sbom:
        found.sboms.append((statement.predicate, statement.predicate_type, trusted))


def signature_finding(found: Vouched, name: str, trust: Trust) -> Finding:
    """Say who signed the image itself. An error where somebody is trusted, and has not signed it."""
    if found.signatures:
        return Finding("signature", "ok", f"signed by {trust.name}")
    if trust.check is None and found.unchecked:
        return Finding(
            "signature",
            "warning",
            "it is signed, and it is not known by whom: no key was given to check that with",
            "give the public key: `--key cosign.pub`, or who signed it: `--certificate-identity` and `--certificate-oidc-issuer`",
        )
    if trust.check is None:
        return Finding(
            "signature",
            "warning",
            "nobody has signed it",
            "publish it with `sign: key` and the key in `signing-key`",
        )
    if found.others:
        return Finding(
            "signature",
            "error",
            f"{name} is signed, and not by {trust.name}",
            "check that this is the right key or identity; if it is, do not run the image: somebody else has signed it",
        )
    return Finding(
        "signature",
        "error",
        f"{name} has no signature by {trust.name}",
        "publish it with `sign: key` and that key, or look whether its signatures were removed",
    )


def provenance_finding(found: Vouched, trust: Trust) -> Finding:
    """Say where the image came from, and whether the trusted signer states that."""
    if not found.provenance:
        return Finding("provenance", "warning", "no provenance is among what refers to the image")
    statement, trusted = max(found.provenance, key=lambda each: each[1])
    return _signed_or_not("provenance", _told(statement), trusted or trust.check is None, trust)


def _signed_or_not(what: str, text: str, enough: bool, trust: Trust) -> Finding:
    return (
        Finding(what, "ok", text)
        if enough
        else Finding(what, "warning", f"{text}; but that is not signed by {trust.name}")
    )


def _told(statement: Statement) -> str:
    definition, details = statement.predicate["buildDefinition"], statement.predicate["runDetails"]
    of_run = details.get("metadata", {}).get("invocationId")
    by = str(of_run or details["builder"]["id"])[:_LONGEST]
    sources = definition.get("resolvedDependencies") or []
    first = sources[0] if sources else {}
    commit = (first.get("digest") or {}).get("gitCommit")
    at = f" at {str(commit)[:_LONGEST]}" if commit else ""
    return f"it says: made by {by}" + (
        f" from {str(first['uri'])[:_LONGEST]}{at}" if first.get("uri") else ""
    )


def sbom_findings(found: Vouched, image: ExaminedImage, trust: Trust) -> Iterator[Finding]:
    """Compare each SBOM of an image with its layers. One that is attached as it is, and signed too, is one.

    What can't be compared is a warning: an SBOM that names no store path, as other programs write it, and a layer that nobody can list.
    """
    paths, platform = image.paths, image.platform
    signed = {encode(document) for document, _, trusted in found.sboms if trusted}
    for document, kind, trusted in found.sboms:
        if not trusted and encode(document) in signed:
            continue
        stated = paths_in_sbom(document, kind)
        name = "SPDX" if "spdx" in kind.lower() else "CycloneDX"
        if not stated:
            yield Finding(
                "sbom",
                "warning",
                f"the SBOM ({name}) of the image for {platform} names no store path, so nothing in it was compared with the layers",
                "ask who attached it: flakeship writes the store paths, and other programs do not",
            )
            continue
        if image.unread:
            yield Finding(
                "sbom",
                "warning",
                f"the SBOM ({name}) of the image for {platform} can't be compared: the tar of the layer {image.unread[0]} can't be read to its end",
                "look at that layer: engines may find in it what is not listed here",
            )
            continue
        unread = layers_unread(document, kind)
        surplus = stated - paths
        if unread and stated != paths and surplus <= image.removed:
            removed = f", and {len(surplus)} that a layer above removes" if surplus else ""
            yield Finding(
                "sbom",
                "warning",
                f"the SBOM ({name}) of the image for {platform} names {len(stated & paths)} of {len(paths)} store paths{removed}, and says itself that "
                f"{counted(unread, 'layer')} {'was' if unread == 1 else 'were'} not looked into",
                "look at the layers of the base image: their SBOM is with whoever made it",
            )
            continue
        try:
            compare_paths(stated, paths)
        except ValueError as error:
            yield Finding(
                "sbom",
                "error",
                f"the SBOM ({name}) of the image for {platform} {error}",
                "publish the image again with `sbom: true`; if somebody else attached this SBOM, do not believe it",
            )
            continue
        all_of_them = f"all {len(paths)} store paths" if len(paths) > 1 else "the one store path"
        text = f"{name} names {all_of_them} of {platform}, and no other"
        yield _signed_or_not("sbom", text, trusted or trust.check is None, trust)
