"""Pushes to one repository: in which order it is written, and what a tag may be set to."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from flakeship.destinations.protocol import (
    Attached,
    BlobsUnknownError,
    CredentialsRefusedError,
    DeliveredBlob,
    Prepared,
    Published,
    Tagging,
)
from flakeship.destinations.registry.blobs import Blob, BlobUploads
from flakeship.destinations.registry.existing import existing_images
from flakeship.destinations.registry.sessions import Grace
from flakeship.destinations.written_blobs import WrittenBlobs
from flakeship.errors import NotAllowedError
from flakeship.events import Detail, Emit, LayerProgress, Notice, Warned
from flakeship.http.errors import WireError
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.model import Descriptor, Digest, Packed, PackedIndex, PackedLayer
from flakeship.image.place import ManifestDocument
from flakeship.image.stream import Reader
from flakeship.image.workers import workers
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import DeniedError, ErrorAnswer, RegistryError, is_passing
from flakeship.registry.hints import hint_for, hint_for_implied, hint_for_manifest
from flakeship.registry.reading import RepositoryReader

if TYPE_CHECKING:  # most images are pushed without
    from flakeship.attest.artifact import Artifact
    from flakeship.attest.legacy import TaggedSignature

T = TypeVar("T")
_IMMUTABLE: Final = re.compile(r"immutable|already exists|overwrit", re.IGNORECASE)
_NEAR: Final = 8
_FAR: Final = 40
"""Questions that are asked at once of a registry that is near, and of one that is far away: see docs/measurements.md."""

_UNKNOWN_BLOB: Final = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "SIZE_INVALID"})


@dataclass(frozen=True, slots=True)
class Reuse:
    """The places to look for existing layers: `tags` of the repository, and tags of `others` in the same registry.

    The tags that will be written are looked at first. `tags` are only looked at if none of those exists, or `always`.
    """

    tags: tuple[str, ...] = ()
    others: tuple[tuple[RegistryClient, tuple[str, ...]], ...] = ()
    always: bool = False


class RegistryDestination:
    """One repository and the tags that an image gets there; satisfies `protocol.Destination`.

    `untagged` are tags that are only told of, as those that `merge` will write. `mount_from` are repositories of the same registry that may have a blob already, `written` what earlier images of the run left in some. `source` names the place where the
    credentials were found, for the log and for errors. `platform_hint` and `bodies` are as in `RegistryOptions`,
    and `certain` as `existing_images` takes it. With `attaches` it is asked which manifests are new here.
    """

    def __init__(
        self,
        client: RegistryClient,
        *,
        tags: tuple[str, ...] = (),
        untagged: tuple[str, ...] = (),
        mount_from: tuple[str, ...] = (),
        written: WrittenBlobs | None = None,
        reuse: Reuse | None = None,
        source: str = "",
        platform_hint: Callable[[str], str] = lambda _: "",
        bodies: int = 4,
        certain: bool = False,
        attaches: bool = False,
        emit: Emit,
    ) -> None:
        self._client = client
        self._attaches = attaches
        self._new: set[Digest] = set()
        """The manifests that were not there before this run, where that is asked."""
        self._platform_hint = platform_hint
        self._tags = tuple(dict.fromkeys(tags))
        self._untagged = tuple(dict.fromkeys(untagged))
        self._reuse = reuse
        self._certain = certain
        self._source = source
        self._emit = emit
        self._written = written or WrittenBlobs()
        self._uploads = BlobUploads(
            client,
            mount_from=mount_from,
            written=self._written.at(client.registry, client.credentials),
            emit=emit,
            bodies=bodies,
        )
        self._delivered: dict[Digest, DeliveredBlob] = {}
        self._must_resend: frozenset[Digest] = frozenset()
        """Blobs that the registry refused to have, although it had reported them."""
        self._listed: set[Digest] = set()
        """Blobs that an existing manifest lists, and that were not checked one by one yet."""
        self._locks: dict[Digest, threading.Lock] = {}
        self._bodies = bodies
        self._once = threading.Lock()
        self._is_ahead = False
        self._known: tuple[ExistingImage, ...] | None = None
        self._seen: dict[str, Digest] = {}
        """The digests that the tags to write had when they were looked at."""

    @property
    def name(self) -> str:
        """The name in messages: `ghcr.io/owner/name`."""
        return self._client.name

    @property
    def references(self) -> tuple[str, ...]:
        """The tags to write, as full references."""
        return tuple(f"{self.name}:{tag}" for tag in self._tags)

    @property
    def untagged(self) -> tuple[str, ...]:
        """The tags that the image would get if it were not pushed by its digest alone, as full references."""
        return tuple(f"{self.name}:{tag}" for tag in self._untagged)

    def holds(self, digest: Digest) -> bool:
        """Ask whether the repository has a blob. One that it won't tell of counts as missing."""
        try:
            return (
                self._client.retrying(lambda: self._client.head_blob(digest), what=f"look at {self.name}")
                is not None
            )
        except (DeniedError, RegistryError):
            return False

    def check(self) -> None:
        """Start an upload and cancel it, which needs the right to push. NotAllowedError, UnreachableError."""
        if self._source:
            self._emit(Notice(f"{self.name}: credentials from {self._source}"))
        self._retrying("check of", self._client.ping)
        # docs/decisions.md#independent-questions-are-asked-at-once
        with workers("look", 2) as pool:
            known = pool.submit(self._look)
            pool.submit(lambda: self._retrying("check of", self._uploads.check)).result()
            self._known = known.result()

    def interrupt(self) -> None:
        """Open no further upload session, and begin to cancel those that are open. Returns at once."""
        self._client.transport.hurry()
        self._uploads.begin_end()

    def end(self, grace: Grace) -> None:
        """Wait within `grace` until no upload session is open. Nothing can be sent any more then."""
        self._uploads.finish_end(grace)

    def existing(self) -> tuple[ExistingImage, ...]:
        """Return the images at the tags to write; without any, those at the other places of `Reuse`.

        Blobs listed by a manifest that stays in place need no HEAD. Before a new manifest refers to them each is
        checked, because registries accept manifests with wrong sizes.
        """
        return self._look() if self._known is None else self._known

    def _look(self) -> tuple[ExistingImage, ...]:
        if self._reuse is None:
            return ()
        images = existing_images(self._client, self._tags, self._emit, seen=self._note, certain=self._certain)
        if not images or self._reuse.always:
            images += existing_images(self._client, self._reuse.tags, self._emit, seen=self._note)
        for image in images:
            config = image.config_descriptor
            self._delivered.setdefault(config.digest, DeliveredBlob(config.digest, config.size, "reused"))
            self._listed.update(layer.digest for layer in image.layers if layer)
        for client, tags in self._reuse.others:
            images += existing_images(client, tags, self._emit)
        return images

    def _note(self, tag: str, manifest: ManifestDocument) -> None:
        """Note what a tag names, and open connections to ask for its layers while its config is read."""
        self._seen[tag] = manifest.digest
        layers = manifest.content.get("layers")
        if not self._client.is_far or self._bodies == 1 or not isinstance(layers, list):
            return
        with self._once:
            ahead, self._is_ahead = self._is_ahead, True
        if not ahead:
            self._client.connect_ahead(min(len(layers) + len(self._tags) + 2, _FAR))  # a config beside them

    def open_blob(self, layer: ExistingLayer) -> AbstractContextManager[Reader]:
        """Open a blob in the repository where `existing` found it."""
        clients = [self._client, *(client for client, _ in (self._reuse.others if self._reuse else ()))]
        client = next(client for client in clients if client.name == layer.where)
        return RepositoryReader(client, client.name).get_blob(layer.digest)

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Make sure of the blob, or defer that if an existing manifest lists it."""
        blob = _blob(layer)
        delivered = self._deferred(blob) or self._ensure(
            blob, certain=certain and blob.digest not in self._must_resend
        )
        self._emit(
            LayerProgress(
                layer.name, delivered.state, delivered.size, delivered.digest, destination=self.name
            )
        )
        return delivered

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        """Write the config, then the manifest by its digest. Each tag is read back when all are written."""
        return self._prepared(packed, alone=alone)

    def prepare_index(self, index: PackedIndex, *, alone: bool = False) -> Prepared:
        """Write every image by its digest, then the index as `prepare` does a manifest."""
        return self._prepared(index, alone=alone)

    def _put_config(self, packed: Packed) -> DeliveredBlob:
        described, data = packed.config_descriptor, packed.config
        config = Blob.of(described, lambda: io.BytesIO(data), name="the config", is_new=True)
        return self._ensure(config, certain=config.digest not in self._must_resend)

    def _blob_for(self, descriptor: Descriptor) -> DeliveredBlob:
        unasked = DeliveredBlob(descriptor.digest, descriptor.size, "reused")
        return self._delivered.get(descriptor.digest, unasked)

    def _prepared(self, packed: Packed | PackedIndex, *, alone: bool) -> Prepared:
        digest = packed.descriptor.digest
        children = () if isinstance(packed, Packed) else packed.images
        asked = (*self._tags, digest) if self._attaches or not self._tags else self._tags
        # docs/decisions.md#independent-questions-are-asked-at-once
        seen = [self._seen.get(tag) for tag in self._tags]
        expected = any(there != digest for there in seen) if seen else digest not in self._seen.values()
        with self._asking() as pool:
            configs = [pool.submit(self._put_config, image) for image in packed.images]
            heads = [
                pool.submit(self._head, reference)
                for reference in (*asked, *(child.descriptor.digest for child in children))
            ]
            layers = self._begin_check(pool, packed) if expected else None
            delivered = [config.result() for config in configs]
            there = dict(zip(asked, (head.result() for head in heads[: len(asked)]), strict=True))
            lacking = [
                child for child, head in zip(children, heads[len(asked) :], strict=True) if not head.result()
            ]
            changes = lacking or any(found != digest for found in there.values())
            if changes:
                self._end_check(layers if layers is not None else self._begin_check(pool, packed))
            self._note_new(packed, lacking, there)
            for put in [pool.submit(self._put, child, child.descriptor.digest) for child in lacking]:
                put.result()
        blobs = tuple(
            blob
            for image, config in zip(packed.images, delivered, strict=True)
            for blob in (*(self._blob_for(layer.descriptor) for layer in image.layers), config)
        )
        current = {tag: there[tag] for tag in self._tags}
        # docs/decisions.md#one-destination-gets-its-manifest-by-name
        if changes and not (alone and current) and there.get(digest) != digest:
            self._put(packed, digest)

        def published() -> Published:
            set_now = [tag for tag, found in current.items() if found != digest]
            with self._asking() as pool:
                for _ in pool.map(lambda tag: self._check_tag(tag, digest), set_now):
                    pass
            self._written.note(self._client, (blob.digest for blob in blobs))
            return Published(
                self.name,
                f"{self.name}@{digest}",
                self.references,
                digest,
                blobs,
                untagged=self.untagged,
            )

        return Prepared(self._taggings(packed, current, alone=alone), published)

    def attach(self, artifacts: Sequence[Artifact], signatures: Sequence[TaggedSignature] = ()) -> Attached:
        """Attach what is not there yet, as `TakesArtifacts` has it."""
        from flakeship.destinations.registry.artifacts import ArtifactUploads

        uploads = ArtifactUploads(self._client, self._ensure, new=self._new, emit=self._emit)
        with self._errors_explained():
            return uploads.attach(artifacts, signatures)

    def _note_new(
        self,
        packed: Packed | PackedIndex,
        lacking: Sequence[Packed],
        there: Mapping[str, Digest | None],
    ) -> None:
        """Note which manifests this run brings, before the first of them is written: another turn finds them there."""
        if self._attaches:
            self._new.update(child.descriptor.digest for child in lacking)
            if there.get(packed.descriptor.digest) is None and packed.descriptor.digest not in there.values():
                self._new.add(packed.descriptor.digest)

    def _taggings(
        self, packed: Packed | PackedIndex, current: Mapping[str, Digest | None], *, alone: bool
    ) -> tuple[tuple[Tagging, ...], ...]:
        """Return what sets the names: those that are new at once, then one by one those that name another image.

        docs/decisions.md#new-names-at-once-others-in-turn
        """
        digest = packed.descriptor.digest
        taggings = {
            tag: Tagging((f"{self.name}:{tag}@{digest}",), partial(self._write_tag, packed, tag, there))
            for tag, there in current.items()
        }
        new = [taggings[tag] for tag, there in current.items() if there in (None, digest)]
        moved = [taggings[tag] for tag, there in current.items() if there not in (None, digest)]
        first = new[
            : int(alone)
        ]  # it brings the manifest, which others of the same moment would bring as well
        return tuple(filter(None, (tuple(first), tuple(new[len(first) :]), *((each,) for each in moved))))

    @contextmanager
    def _asking(self) -> Iterator[Executor]:
        # who lets one layer be sent at a time has a registry that takes little at once
        many = self._client.is_far and self._bodies > 1
        with workers("ask", min(_FAR, 10 * self._bodies) if many else _NEAR) as pool:
            yield pool

    def _deferred(self, blob: Blob) -> DeliveredBlob | None:
        """Defer the check of a blob that an existing manifest lists; return None for any other blob."""
        if blob.open or blob.digest in self._delivered or blob.digest not in self._listed:
            return None
        return DeliveredBlob(blob.digest, blob.size, "reused")

    def _begin_check(self, pool: Executor, packed: Packed | PackedIndex) -> list[Future[Digest | None]]:
        """Begin to check all deferred blobs."""
        named = {layer.descriptor.digest: layer for image in packed.images for layer in image.layers}
        # docs/decisions.md#blobs-get-a-head-before-another-manifest
        waiting = [_blob(layer) for digest, layer in named.items() if digest not in self._delivered]
        return [pool.submit(self._missing_digest, blob) for blob in waiting]

    def _end_check(self, asked: Sequence[Future[Digest | None]]) -> None:
        """Wait for the checks. BlobsUnknownError lists the blobs that are missing."""
        missing = frozenset(digest for each in asked if (digest := each.result()))
        if missing:
            self._note_unknown(missing)
            raise BlobsUnknownError(missing)

    def _missing_digest(self, blob: Blob) -> Digest | None:
        try:
            self._ensure(blob, certain=True)
        except BlobsUnknownError:
            return blob.digest
        return None

    def _ensure(self, blob: Blob, *, certain: bool) -> DeliveredBlob:
        """Make sure of a blob once, even if several layers share it and several threads ask."""
        with self._locks.setdefault(blob.digest, threading.Lock()):
            known = self._delivered.get(blob.digest)
            if known is None or known.size != blob.size or not certain:
                with self._errors_explained():
                    state = self._uploads.ensure(blob, believe=certain)
                known = self._delivered[blob.digest] = DeliveredBlob(blob.digest, blob.size, state)
            return known

    def _write_tag(self, packed: Packed | PackedIndex, tag: str, current: Digest | None) -> None:
        digest = packed.descriptor.digest
        if current == digest:
            self._emit(Notice(f"{self.name}:{tag} is unchanged"))
            return
        try:
            self._put(packed, tag)
        except (NotAllowedError, RegistryError) as error:
            there = self._head(tag)
            if there == digest:  # the first try succeeded unnoticed, and the second met an immutable tag
                return
            if there and _IMMUTABLE.search(error.message):
                raise NotAllowedError(
                    f"the tag {self.name}:{tag} is immutable and names another image: {there}",
                    hint="choose a new tag, or allow this one to be moved in the settings of the registry",
                ) from error
            raise

    def _check_tag(self, tag: str, digest: Digest) -> None:
        try:
            there = self._client.retrying(lambda: self._must_exist(tag), what=f"check of tag {self.name}")
        except (DeniedError, RegistryError) as error:
            if is_passing(error):
                raise
            self._emit(Notice(f"{self.name}:{tag} was set, but can't be read back: {error}"))
            return
        if there != digest:
            if not self._holds_manifest(digest):
                raise WireError(
                    f"{self.name} accepted {digest} and the tag {tag}, but has neither: the tag is {there}",
                    hint="check that this is the registry, and not something in front of it that accepts everything",
                    transient=False,
                )
            self._emit(
                Warned(
                    f"{self.name}:{tag} was set to {digest}, but is {there} now",
                    "use the digest: somebody else pushed the same tag at the same time",
                )
            )

    def _holds_manifest(self, digest: Digest) -> bool:
        """Ask whether a manifest is there by its digest; one that the registry won't tell of counts as there."""
        try:
            return (
                self._client.retrying(
                    lambda: self._client.head_manifest(digest), what=f"check of {self.name}@{digest}"
                )
                is not None
            )
        except (DeniedError, RegistryError) as error:
            if is_passing(error):
                raise
            return True

    def _must_exist(self, tag: str) -> Digest:
        there = self._client.head_manifest(tag)
        if there is None:
            raise WireError(
                f"{self.name}:{tag} was accepted by the registry, but is not there",
                hint="check that this is the registry, and not something in front of it that accepts everything",
            )
        return there

    def _put(self, packed: Packed | PackedIndex, reference: str) -> None:
        media_type = packed.descriptor.media_type
        try:
            self._retrying(
                "push of manifest to",
                lambda: self._client.put_manifest(reference, packed.manifest, media_type=media_type),
            )
        except RegistryError as error:
            if unknown := self._unknown_blobs(error.answer, packed):
                self._note_unknown(unknown)
                raise BlobsUnknownError(unknown) from error
            error.hint = error.hint or hint_for_manifest(
                error.answer,
                media_type,
                [layer.descriptor.media_type for image in packed.images for layer in image.layers],
            )
            raise

    def _note_unknown(self, digests: frozenset[Digest]) -> None:
        with self._once:
            self._must_resend |= digests

    def _unknown_blobs(self, answer: ErrorAnswer, packed: Packed | PackedIndex) -> frozenset[Digest]:
        """Return the blobs that the registry misses or has with another size; empty for any other refusal."""
        if not _UNKNOWN_BLOB & set(answer.codes):
            return frozenset()
        ours = frozenset(
            digest
            for image in packed.images
            for digest in (
                *(layer.descriptor.digest for layer in image.layers),
                image.config_descriptor.digest,
            )
        )
        named = answer.digests & ours
        return named or ours - self._must_resend

    def _head(self, reference: str) -> Digest | None:
        """Return the digest at a reference; None if nothing has that name, or if the registry does not tell.

        Some answer 401 or 403 for what is not there, and some accounts may push and not pull
        (https://github.com/google/go-containerregistry/issues/1691, https://github.com/goharbor/harbor/issues/13973).
        docs/decisions.md#a-needless-question-ends-no-push.
        """
        try:
            return self._client.retrying(
                lambda: self._client.head_manifest(reference), what=f"look at {self.name}"
            )
        except (DeniedError, RegistryError) as error:
            if is_passing(error):
                raise
            self._emit(Detail(f"{self.name}:{reference} can't be looked at: {error}"))
            return None

    def _retrying(self, verb: str, action: Callable[[], T]) -> T:
        with self._errors_explained():
            return self._client.retrying(action, what=f"{verb} {self.name}")

    @contextmanager
    def _errors_explained(self) -> Iterator[None]:
        """Turn a refusal into NotAllowedError with the reason and a hint; CredentialsRefusedError for 401 and 403."""
        try:
            yield
        except DeniedError as error:
            raise CredentialsRefusedError(self._denial(error.answer), hint=self._hint()) from error
        except RegistryError as error:
            if "NAME_UNKNOWN" not in error.answer.codes:
                raise
            raise NotAllowedError(
                f"there is no repository {self.name}: {error.answer}", hint=self._hint()
            ) from error
        except WireError as error:
            error.hint = self._implied() or error.hint
            raise

    def _hint(self) -> str:
        return self._implied() or hint_for(self._client.registry, platform_hint=self._platform_hint)

    def _implied(self) -> str:
        return hint_for_implied(self._client.registry, self._client.repository, next(iter(self._tags), ""))

    def _denial(self, answer: ErrorAnswer) -> str:
        if self._client.credentials is None:
            return (
                f"{self.name} asks for credentials, and none were found for {self._client.registry}: {answer}"
            )
        source = f" of {self._source}" if self._source else ""
        if answer.status == 401:
            return f"{self._client.registry} does not accept the credentials{source}, or not for {self.name}: {answer}"
        return f"the credentials{source} may not push to {self.name}: {answer}"


def _blob(layer: PackedLayer) -> Blob:
    return Blob.of(layer.descriptor, layer.open, name=f"layer {layer.descriptor.digest[:19]}")
