"""The manifests of one repository: whether one is there, and how one is written."""

from __future__ import annotations

from flakeship.destinations.registry.delivered import DeliveredBlobs
from flakeship.destinations.registry.refusals import Refusals
from flakeship.events import Detail, Emit
from flakeship.http.errors import WireError
from flakeship.image.model import Digest, Packed, PackedIndex
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import DeniedError, RegistryError, is_passing
from flakeship.registry.hints import hint_for_manifest


class Manifests:
    """The manifests of the repository that `client` speaks to. Its methods may be called by several threads."""

    def __init__(
        self, client: RegistryClient, blobs: DeliveredBlobs, refusals: Refusals, *, emit: Emit
    ) -> None:
        self._client, self._blobs, self._refusals = client, blobs, refusals
        self._emit = emit

    def digest_at(self, reference: str) -> Digest | None:
        """Return the digest at a reference; None if nothing has that name, or if the registry does not tell.

        Some answer 401 or 403 for what is not there, and some accounts may push and not pull
        (https://github.com/google/go-containerregistry/issues/1691, https://github.com/goharbor/harbor/issues/13973).
        docs/decisions.md#a-needless-question-ends-no-push.
        """
        try:
            return self._client.retrying(
                lambda: self._client.head_manifest(reference), what=f"look at {self._client.name}"
            )
        except (DeniedError, RegistryError) as error:
            if is_passing(error):
                raise
            self._emit(Detail(f"{self._client.name}:{reference} can't be looked at: {error}"))
            return None

    def holds(self, digest: Digest) -> bool:
        """Ask whether a manifest is there by its digest; one that the registry won't tell of counts as there."""
        try:
            there = self._client.retrying(
                lambda: self._client.head_manifest(digest), what=f"check of {self._client.name}@{digest}"
            )
        except (DeniedError, RegistryError) as error:
            if is_passing(error):
                raise
            return True
        return there is not None

    def digest_of_tag(self, tag: str) -> Digest:
        """Return the digest of a tag that was written. WireError if it is not there, and what the client raises."""
        return self._client.retrying(lambda: self._written(tag), what=f"check of tag {self._client.name}")

    def put(self, packed: Packed | PackedIndex, reference: str) -> None:
        """Write a manifest under a tag or its digest. BlobsUnknownError if it is refused for blobs that are missing."""
        media_type = packed.descriptor.media_type
        try:
            self._refusals.retrying(
                "push of manifest to",
                lambda: self._client.put_manifest(reference, packed.manifest, media_type=media_type),
            )
        except RegistryError as error:
            self._blobs.raise_unknown(error, packed)
            error.hint = error.hint or hint_for_manifest(
                error.answer,
                media_type,
                [layer.descriptor.media_type for image in packed.images for layer in image.layers],
            )
            raise

    def _written(self, tag: str) -> Digest:
        there = self._client.head_manifest(tag)
        if there is None:
            raise WireError(
                f"{self._client.name}:{tag} was accepted by the registry, but is not there",
                hint="check that this is the registry, and not something in front of it that accepts everything",
            )
        return there
