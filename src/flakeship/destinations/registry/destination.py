"""Pushes to one repository: blobs first, then manifests by their digests, then what is attached, then the tags."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from flakeship.destinations.protocol import Attached, DeliveredBlob, Prepared, Published
from flakeship.destinations.registry.at_once import asking
from flakeship.destinations.registry.blobs import Blob, BlobUploads
from flakeship.destinations.registry.delivered import DeliveredBlobs, layer_blob
from flakeship.destinations.registry.manifests import Manifests
from flakeship.destinations.registry.refusals import Refusals
from flakeship.destinations.registry.reusable import ReusableImages, Reuse
from flakeship.destinations.registry.sessions import Grace
from flakeship.destinations.registry.tags import Tags
from flakeship.destinations.written_blobs import WrittenBlobs
from flakeship.events import Emit, LayerProgress, Notice
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer
from flakeship.image.stream import Reader
from flakeship.image.workers import workers
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import DeniedError, RegistryError

if TYPE_CHECKING:  # most images are pushed without
    from flakeship.attest.artifact import Artifact
    from flakeship.attest.legacy import TaggedSignature
    from flakeship.destinations.registry.artifacts import ArtifactUploads


class RegistryDestination:
    """One repository and the tags that an image gets there; satisfies `protocol.Destination`.

    `untagged` are tags that are reported and not written: `merge` will write them. `mount_from` are repositories of the
    same registry that may have a blob already, and `written` knows what earlier images of the run left in which of them.
    `source` names the place where the credentials were found, for the log and for errors. `platform_hint` and `bodies`
    are as in `RegistryOptions`, and `certain` as `existing_images` takes it. With `attaches` the registry is asked which
    manifests are new to it.
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
        self._made_artifacts: ArtifactUploads | None = None
        self._new: set[Digest] = set()
        """The manifests that were not there before this run, where that is asked."""
        self._tags = tuple(dict.fromkeys(tags))
        self._untagged = tuple(dict.fromkeys(untagged))
        self._source = source
        self._bodies = bodies
        self._emit = emit
        self._written = written or WrittenBlobs()
        self._uploads = BlobUploads(
            client,
            mount_from=mount_from,
            written=self._written.at(client.registry, client.credentials),
            emit=emit,
            bodies=bodies,
        )
        self._refusals = Refusals(
            client, source=source, platform_hint=platform_hint, tag=next(iter(self._tags), "")
        )
        self._blobs = DeliveredBlobs(self._uploads, self._refusals)
        self._manifests = Manifests(client, self._blobs, self._refusals, emit=emit)
        self._reuse = reuse
        self._reusable = ReusableImages(
            client, self._tags, reuse or Reuse(), ahead=bodies > 1, certain=certain, emit=emit
        )
        self._known: tuple[ExistingImage, ...] | None = None

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
            size = self._client.retrying(lambda: self._client.head_blob(digest), what=f"look at {self.name}")
        except (DeniedError, RegistryError):
            return False
        return size is not None

    def check(self) -> None:
        """Start an upload and cancel it, which needs the right to push. NotAllowedError, UnreachableError."""
        if self._source:
            self._emit(Notice(f"{self.name}: credentials from {self._source}"))
        self._refusals.retrying("check of", self._client.ping)
        # docs/decisions.md#independent-questions-are-asked-at-once
        with workers("look", 2) as pool:
            known = pool.submit(self._look)
            pool.submit(lambda: self._refusals.retrying("check of", self._uploads.check)).result()
            self._known = known.result()

    def interrupt(self) -> None:
        """Open no further upload session, and begin to cancel those that are open. Returns at once."""
        self._client.transport.hurry()
        self._uploads.begin_end()

    def end(self, grace: Grace) -> None:
        """Wait within `grace` until no upload session is open. Nothing can be sent any more then."""
        self._uploads.finish_end(grace)

    def existing(self) -> tuple[ExistingImage, ...]:
        """Return the images at the tags to write; without any, those at the other places of `Reuse`."""
        return self._look() if self._known is None else self._known

    def _look(self) -> tuple[ExistingImage, ...]:
        if self._reuse is None:
            return ()
        here = self._reusable.here()
        self._blobs.note_existing(here)
        return here + self._reusable.elsewhere()

    def open_blob(self, layer: ExistingLayer) -> AbstractContextManager[Reader]:
        """Open a blob in the repository where `existing` found it."""
        return self._reusable.open_blob(layer)

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Make sure of the blob, or defer that if an existing manifest lists it."""
        delivered = self._blobs.take(layer_blob(layer), certain=certain)
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

    def _prepared(self, packed: Packed | PackedIndex, *, alone: bool) -> Prepared:
        digest = packed.descriptor.digest
        blobs, current = self._complete(packed, alone=alone)
        tags = Tags(self.name, self._manifests, emit=self._emit)

        def published() -> Published:
            set_now = [tag for tag, found in current.items() if found != digest]
            with asking(self._client, bodies=self._bodies) as pool:
                for _ in pool.map(lambda tag: tags.check(tag, digest), set_now):
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

        return Prepared(tags.taggings(packed, current, alone=alone), published)

    def _complete(
        self, packed: Packed | PackedIndex, *, alone: bool
    ) -> tuple[tuple[DeliveredBlob, ...], dict[str, Digest | None]]:
        """Write what the repository lacks of an image, all but the tags. Return its blobs, and what each tag names now."""
        digest = packed.descriptor.digest
        children = () if isinstance(packed, Packed) else packed.images
        asked = (*self._tags, digest) if self._attaches or not self._tags else self._tags
        # docs/decisions.md#independent-questions-are-asked-at-once
        named = self._reusable.named
        seen = [named.get(tag) for tag in self._tags]
        expected = any(there != digest for there in seen) if seen else digest not in named.values()
        with asking(self._client, bodies=self._bodies) as pool:
            configs = [pool.submit(self._put_config, image) for image in packed.images]
            heads = [
                pool.submit(self._manifests.digest_at, reference)
                for reference in (*asked, *(child.descriptor.digest for child in children))
            ]
            layers = self._blobs.begin_check(pool, packed) if expected else None
            delivered = [config.result() for config in configs]
            there = dict(zip(asked, (head.result() for head in heads[: len(asked)]), strict=True))
            lacking = [
                child for child, head in zip(children, heads[len(asked) :], strict=True) if not head.result()
            ]
            changes = lacking or any(found != digest for found in there.values())
            if changes:
                if layers is None:
                    layers = self._blobs.begin_check(pool, packed)
                self._blobs.end_check(layers)
            self._note_new(packed, lacking, there)
            for put in [
                pool.submit(self._manifests.put, child, child.descriptor.digest) for child in lacking
            ]:
                put.result()
        current = {tag: there[tag] for tag in self._tags}
        # docs/decisions.md#one-destination-gets-its-manifest-by-name
        if changes and not (alone and current) and there.get(digest) != digest:
            self._manifests.put(packed, digest)
        blobs = tuple(
            blob
            for image, config in zip(packed.images, delivered, strict=True)
            for blob in (*(self._blobs.of(layer.descriptor) for layer in image.layers), config)
        )
        return blobs, current

    def _put_config(self, packed: Packed) -> DeliveredBlob:
        described, data = packed.config_descriptor, packed.config
        return self._blobs.take(Blob.of(described, lambda: io.BytesIO(data), name="the config", is_new=True))

    def _note_new(
        self,
        packed: Packed | PackedIndex,
        lacking: Sequence[Packed],
        there: Mapping[str, Digest | None],
    ) -> None:
        """Note which manifests are this run's own, before the first of them is written: those that it brings, and what none of its tags leads to.

        The latter may be there of a run that failed before it named it: docs/decisions.md#provenance-is-stated-by-the-run-that-builds.
        """
        if self._attaches:
            self._new.update(child.descriptor.digest for child in lacking)
            digest = packed.descriptor.digest
            known = [there[tag] for tag in self._tags] if self._tags else there.values()
            if digest not in known:
                self._new.add(digest)

    def attach(self, artifacts: Sequence[Artifact], signatures: Sequence[TaggedSignature] = ()) -> Attached:
        """Attach what is not there yet, as `TakesArtifacts` has it."""
        with self._refusals.explained():
            return self._artifacts().attach(artifacts, signatures)

    def leaves_out(self, artifacts: Sequence[Artifact]) -> Sequence[bool]:
        """As `TakesArtifacts` has it."""
        with self._refusals.explained():
            return self._artifacts().leaves_out(artifacts)

    def confirm_attached(self) -> bool:
        """As `TakesArtifacts` has it."""
        with self._refusals.explained():
            return self._artifacts().confirm()

    def _artifacts(self) -> ArtifactUploads:
        from flakeship.destinations.registry.artifacts import ArtifactUploads

        if self._made_artifacts is None:
            self._made_artifacts = ArtifactUploads(
                self._client, self._blobs.ensure, new=self._new, emit=self._emit
            )
        return self._made_artifacts
