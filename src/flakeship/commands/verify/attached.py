"""What is attached to a manifest: bundles, statements and SBOMs that refer to it, and the signatures under cosign's tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flakeship.attest.artifact import IN_TOTO
from flakeship.attest.bundle import BUNDLE, LIMIT
from flakeship.attest.legacy import SIGNATURE, SIMPLE_SIGNING, signature_tag
from flakeship.attest.verification import is_sbom_type
from flakeship.commands.verify.stored import DAMAGED, StoredManifest, StoredObjects
from flakeship.errors import Error, NotAllowedError, RejectedError
from flakeship.image.document import DOCUMENT_LIMIT
from flakeship.image.model import Descriptor, Digest
from flakeship.registry.errors import DeniedError
from flakeship.registry.referrers import Referrers, fallback_tag

_COPIED: Final = "remove what was attached to it: it belongs to another image, or was changed"
_ALL: Final = "1,000 artifacts, or 1 GiB, of an image and all of its platforms"
_OLD_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"


@dataclass(slots=True)
class Allowance:
    """How much is read of what is attached to an image, to all of its manifests together: so many artifacts and tagged signatures, of so many bytes. Whoever may
    write to a repository could attach without end.
    """

    artifacts: int = 1_000
    size: int = 1 << 30

    def take(self, size: int, digest: Digest) -> None:
        """Take note of an artifact, and then of the bytes in it. TooMuchError where that would be too much: then not all of it was looked at, and nobody can vouch for the rest."""
        self.artifacts -= not size
        self.size -= size
        if self.artifacts < 0 or self.size < 0:
            raise TooMuchError(
                f"more is attached to {digest} than is read: {_ALL}",
                hint="remove what is attached to it and nobody needs, and find out who attached it; until then not all of it was looked at",
            )


class TooMuchError(RejectedError):
    """Nothing more is read."""


@dataclass(frozen=True, slots=True)
class AttachedDocument:
    """A document about the image. `kind` is its artifact type; `manifest` is the digest of what holds it."""

    kind: str
    data: bytes
    annotations: Mapping[str, str]
    manifest: Digest

    @property
    def is_bundle(self) -> bool:
        """Whether it is a signed statement."""
        return self.kind.startswith(_OLD_BUNDLE)


@dataclass(frozen=True, slots=True)
class TaggedPayload:
    """A signature of the tag `sha256-HEX.sig`, in Base64, and what it is over."""

    payload: bytes
    signature: str


@dataclass(frozen=True, slots=True)
class AttachedTo:
    """All that is attached to one manifest. `others` counts artifacts of kinds that are not looked into."""

    documents: tuple[AttachedDocument, ...] = ()
    tagged: tuple[TaggedPayload, ...] = ()
    others: int = 0
    faults: tuple[Error, ...] = ()


def attached_to(
    manifest: StoredManifest, referrers: Referrers, objects: StoredObjects, allowance: Allowance
) -> AttachedTo:
    """Read what is attached to a manifest, as far as `allowance` goes. What is damaged in it is among the `faults`, and so is that something was left unread."""
    digest = manifest.entry.digest
    documents: list[AttachedDocument] = []
    tagged: list[TaggedPayload] = []
    faults: list[Error] = []
    others = 0
    try:
        objects.named(fallback_tag(digest))  # compared with the digest that the registry states of the tag
        for entry in referrers.of(digest):
            try:
                found = _document(entry, digest, objects, allowance)
            except TooMuchError:
                raise
            except RejectedError as error:
                faults.append(error)
                continue
            if found:
                documents.append(found)
            else:
                others += 1
        tagged += _tagged(digest, objects, allowance)
    except DeniedError:
        raise
    except (RejectedError, NotAllowedError) as error:  # something else has a tag that is for this
        faults.append(error)
    return AttachedTo(tuple(documents), tuple(tagged), others, tuple(faults))


def _document(
    entry: Descriptor, digest: Digest, objects: StoredObjects, allowance: Allowance
) -> AttachedDocument | None:
    """The document of an artifact; None for an artifact of another kind."""
    allowance.take(0, digest)
    manifest = objects.manifest(entry, f"what lists the artifacts of {digest}")
    if manifest.is_index:
        return None
    _check_subject(manifest, digest)
    config, layers = manifest.config(), manifest.descriptors("layers")
    kinds = [
        str(manifest.document.get("artifactType") or ""),
        config.media_type,
        *(each.media_type for each in layers),
    ]
    if entry.artifact_type and entry.artifact_type not in kinds:
        raise RejectedError(
            f"the artifact {entry.digest} is listed as {entry.artifact_type[:100]}, and is {kinds[0] or kinds[-1]}",
            hint=_COPIED,
        )
    for key, text in entry.annotations.items():
        if manifest.annotations.get(key) != text:
            raise RejectedError(
                f"the artifact {entry.digest} is listed with the annotation {key[:100]}, which it does not have, or has with another text",
                hint=_COPIED,
            )
    kind = next((each.media_type for each in layers if _is_known(each.media_type)), "")
    if not kind:
        return None
    objects.blob(config)
    (layer,) = layers if len(layers) == 1 else (None,)
    if layer is None:
        raise RejectedError(
            f"the artifact {entry.digest} has {len(layers)} blobs, and its kind has one", hint=_COPIED
        )
    if layer.size <= LIMIT:  # else it is refused as it is
        allowance.take(layer.size, digest)
    return AttachedDocument(kind, objects.blob(layer, LIMIT), manifest.annotations, entry.digest)


def _check_subject(manifest: StoredManifest, digest: Digest) -> None:
    subject = manifest.document.get("subject")
    named = subject.get("digest") if isinstance(subject, dict) else None
    if subject is not None and named != digest:
        raise RejectedError(
            f"the artifact {manifest.entry.digest} is about {str(named)[:80]}, and is listed for {digest}",
            hint=_COPIED,
        )


def _is_known(media_type: str) -> bool:
    return media_type in (BUNDLE, IN_TOTO) or media_type.startswith(_OLD_BUNDLE) or is_sbom_type(media_type)


def _tagged(digest: Digest, objects: StoredObjects, allowance: Allowance) -> list[TaggedPayload]:
    found = objects.named(signature_tag(digest))
    if found is None:
        return []
    objects.blob(found.config())
    tagged: list[TaggedPayload] = []
    for layer in found.descriptors("layers"):
        if layer.media_type != SIMPLE_SIGNING:
            continue
        signature: Any = layer.annotations.get(SIGNATURE)
        if not signature:
            raise RejectedError(f"the signature {layer.digest} of {digest} is empty", hint=DAMAGED)
        allowance.take(0, digest)
        allowance.take(min(layer.size, DOCUMENT_LIMIT), digest)
        tagged.append(TaggedPayload(objects.blob(layer), signature))
    return tagged
