"""Attaches artifacts to a manifest that is there already: what is attached is asked first, and only what lacks is written."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from flakeship.attest.artifact import Artifact, ArtifactManifest, Form, manifest_of
from flakeship.attest.legacy import TaggedSignature, holds, with_signature
from flakeship.destinations.protocol import Attached
from flakeship.destinations.registry.blobs import Blob
from flakeship.errors import UnreachableError
from flakeship.events import Emit, Notice
from flakeship.image.media_types import OCI
from flakeship.image.model import Descriptor, Digest
from flakeship.image.workers import workers
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import RegistryError
from flakeship.registry.referrers import Referrers
from flakeship.registry.shared_tag import SharedTag

T = TypeVar("T")

_AT_ONCE: Final = 4
_REFUSES_FORM: Final = frozenset({400, 404, 405, 406, 409, 415, 422, 501})
"""Statuses by which registries refuse a manifest with `subject`, `artifactType` or an empty config."""

_FORM_CODES: Final = frozenset({"MANIFEST_INVALID", "UNSUPPORTED", "MANIFEST_UNVERIFIED"})
_UNKNOWN_BLOB: Final = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})


class Ensure(Protocol):
    """Makes sure that a blob is there; with `certain=False` it is sent even if the registry reports that it has it."""

    def __call__(self, blob: Blob, *, certain: bool) -> object: ...


class ArtifactUploads:
    """Artifacts of one repository. `ensure(blob, certain=…)` makes sure of a blob, as for the blobs of images; `new` are the manifests that this run has brought."""

    def __init__(
        self, client: RegistryClient, ensure: Ensure, *, new: Collection[Digest], emit: Emit
    ) -> None:
        self._client, self._ensure, self._new, self._emit = client, ensure, new, emit
        self._referrers = Referrers(client)
        self._form: Form = "1.1"
        self._once = threading.Lock()
        self._added: list[tuple[Digest, list[Descriptor]]] = []
        self._signed: list[TaggedSignature] = []

    def attach(self, artifacts: Sequence[Artifact], signatures: Sequence[TaggedSignature]) -> Attached:
        """Attach what is not there. Raises what the client raises, and NotAllowedError where something else has a tag of ours."""
        subjects = dict.fromkeys(
            [each.subject.digest for each in artifacts] + [each.subject.digest for each in signatures]
        )

        def attach(digest: Digest) -> Attached:
            wanted = [each for each in artifacts if each.subject.digest == digest]
            done = self._attach(digest, wanted) if wanted else Attached()
            added = sum(self._sign(each) for each in signatures if each.subject.digest == digest)
            signed = sum(each.subject.digest == digest for each in signatures)
            return replace(done, added=done.added + added, present=done.present + signed - added)

        with workers("attach", max(1, min(len(subjects), _AT_ONCE))) as pool:
            each = list(pool.map(attach, subjects))
        left_out = frozenset[str]().union(*(item.left_out for item in each))
        return Attached(sum(item.added for item in each), sum(item.present for item in each), left_out)

    def leaves_out(self, artifacts: Sequence[Artifact]) -> list[bool]:
        """Tell of each artifact whether `attach` would leave it out. Its data is not looked at."""
        there = {digest: self._referrers.of(digest) for digest in {each.subject.digest for each in artifacts}}
        return [self._left_out(each, there[each.subject.digest]) for each in artifacts]

    # docs/decisions.md#what-was-attached-is-looked-for-again
    def confirm(self) -> bool:
        """Make sure once more that all is listed which `attach` has added; False if it was. Raises as `attach`."""
        again = [self._referrers.add(digest, entries) for digest, entries in self._added]
        return any([*again, *(self._sign(each) for each in tuple(self._signed))])

    def _attach(self, digest: Digest, wanted: Sequence[Artifact]) -> Attached:
        there = self._referrers.of(digest)
        known = {(entry.digest, entry.artifact_type) for entry in there}
        out = [each for each in wanted if self._left_out(each, there)]
        lacking = [each for each in wanted if each not in out and not self._is_there(each, known)]
        if lacking:
            entries = [self._write(artifact).descriptor for artifact in lacking]
            self._added.append((digest, entries))
            self._referrers.add(digest, entries)
        return Attached(len(lacking), len(wanted) - len(lacking), frozenset[str](each.kind for each in out))

    def _is_there(self, artifact: Artifact, listed: Collection[tuple[Digest, str]]) -> bool:
        """Whether it is listed by its type, in either form, and its manifest has not been cleaned away since."""
        digests = (
            manifest_of(artifact, "1.1").descriptor.digest,
            manifest_of(artifact, "1.0").descriptor.digest,
        )
        return any(self._holds(digest) for digest in digests if (digest, artifact.artifact_type) in listed)

    def _holds(self, digest: Digest) -> bool:
        return self._retrying("look at", lambda: self._client.head_manifest(digest)) is not None

    def _left_out(self, artifact: Artifact, there: Sequence[Descriptor]) -> bool:
        """Whether it is one that each run writes differently, and what is there already counts."""
        if artifact.only_if_new and artifact.subject.digest not in self._new:
            return True
        return artifact.unless_alike and any(
            _is_alike(entry, artifact) and self._holds(entry.digest) for entry in there
        )

    def _write(self, artifact: Artifact) -> ArtifactManifest:
        """Write blobs and manifest, in the form of image-spec 1.0 where the registry refuses that of 1.1."""
        with self._once:
            form = self._form
        manifest = manifest_of(artifact, form)
        try:
            self._put(manifest, artifact.kind)
        except RegistryError as error:
            if form == "1.0" or not _refuses_form(error):
                raise
            manifest = manifest_of(artifact, "1.0")
            self._put(manifest, artifact.kind)
            with self._once:
                first, self._form = self._form == "1.1", "1.0"
            if first:
                self._emit(
                    Notice(
                        f"{self._client.name} does not take what image-spec 1.1 attaches, and was given it in the form of 1.0: {error.answer}"
                    )
                )
        return manifest

    def _put(self, manifest: ArtifactManifest, kind: str) -> None:
        self._send(manifest.blobs, kind)
        try:
            self._put_manifest(manifest.descriptor.digest, manifest.data)
        except RegistryError as error:
            if not _UNKNOWN_BLOB & set(error.answer.codes):
                raise
            # docs/decisions.md#a-blob-that-proves-missing-is-sent-again
            self._send(manifest.blobs, kind, believe=False)
            self._put_manifest(manifest.descriptor.digest, manifest.data)

    def _put_manifest(self, reference: str, data: bytes) -> None:
        self._retrying(
            "attaching to", lambda: self._client.put_manifest(reference, data, media_type=OCI.manifest)
        )

    def _send(self, blobs: Sequence[tuple[Descriptor, bytes]], kind: str, *, believe: bool = True) -> None:
        for descriptor, data in blobs:
            blob = Blob.of(descriptor, lambda data=data: io.BytesIO(data), name=f"the {kind}", is_new=True)  # type: ignore[misc]
            self._ensure(blob, certain=believe)

    def _sign(self, signature: TaggedSignature) -> bool:
        """Add a signature to the image that holds them; False if it is there."""

        def write(manifest: Mapping[str, Any]) -> None:
            image = with_signature(manifest, signature)
            self._send(
                ((signature.layer, signature.payload), (image.config_descriptor, image.config)), "signature"
            )
            self._put_manifest(signature.tag, image.manifest)

        name = f"{self._client.name}:{signature.tag}"
        signatures = SharedTag(
            self._client,
            signature.tag,
            "layers",
            taken=f"the tag {name} is not an image that holds signatures",
            hint="delete that tag: cosign keeps the signatures of an image there",
        )
        added = signatures.extend(
            lambda manifest: holds(manifest, signature),
            write,
            lost=lambda times: UnreachableError(
                f"the tag {name} was written {times}, and lacks the signature of this run",
                hint="run again: others write the same tag at the same time",
            ),
        )
        if added:
            self._signed.append(signature)
        return added

    def _retrying(self, verb: str, action: Callable[[], T]) -> T:
        return self._client.retrying(action, what=f"{verb} {self._client.name}")


def _is_alike(entry: Descriptor, artifact: Artifact) -> bool:
    return (
        entry.artifact_type == artifact.artifact_type
        and artifact.annotations.items() <= dict(entry.annotations).items()
    )


def _refuses_form(error: RegistryError) -> bool:
    """Whether a manifest was refused for its form: not for now only, and not for a blob that lacks."""
    codes = set(error.answer.codes)
    if error.transient or error.answer.method != "PUT" or codes & (_UNKNOWN_BLOB | {"NAME_UNKNOWN"}):
        return False
    return error.answer.status in _REFUSES_FORM or bool(codes & _FORM_CODES)
