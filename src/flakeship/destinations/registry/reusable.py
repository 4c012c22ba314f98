"""Where the images are whose layers may be used again, and what tags of the repository named when they were looked at."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass

from flakeship.destinations.registry.at_once import FAR
from flakeship.destinations.registry.existing import existing_images
from flakeship.events import Emit
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.model import Digest
from flakeship.image.place import ManifestDocument
from flakeship.image.stream import Reader
from flakeship.registry.client import RegistryClient
from flakeship.registry.reading import RepositoryReader


@dataclass(frozen=True, slots=True)
class Reuse:
    """The places to look for existing layers: `tags` of the repository, and tags of `others` in the same registry.

    The tags that will be written are looked at first. `tags` are only looked at if none of those exists, or `always`.
    """

    tags: tuple[str, ...] = ()
    others: tuple[tuple[RegistryClient, tuple[str, ...]], ...] = ()
    always: bool = False


class ReusableImages:
    """The images at the tags to write and at the places of `reuse`.

    `ahead` opens connections for questions about the layers as soon as a manifest is read; `certain` is as
    `existing_images` takes it.
    """

    def __init__(
        self,
        client: RegistryClient,
        tags: tuple[str, ...],
        reuse: Reuse,
        *,
        ahead: bool,
        certain: bool,
        emit: Emit,
    ) -> None:
        self._client, self._tags, self._reuse = client, tags, reuse
        self._certain, self._emit = certain, emit
        self._is_ahead = not ahead
        self._once = threading.Lock()
        self.named: dict[str, Digest] = {}
        """The digests that tags had when they were looked at."""

    def here(self) -> tuple[ExistingImage, ...]:
        """Look at the tags to write; without an image there, at the other tags of the repository."""
        images = existing_images(self._client, self._tags, self._emit, seen=self._note, certain=self._certain)
        if not images or self._reuse.always:
            images += existing_images(self._client, self._reuse.tags, self._emit, seen=self._note)
        return images

    def elsewhere(self) -> tuple[ExistingImage, ...]:
        """Look at the other repositories."""
        return tuple(
            image
            for client, tags in self._reuse.others
            for image in existing_images(client, tags, self._emit)
        )

    def open_blob(self, layer: ExistingLayer) -> AbstractContextManager[Reader]:
        """Open a blob in the repository where it was found."""
        clients = [self._client, *(client for client, _ in self._reuse.others)]
        client = next(client for client in clients if client.name == layer.where)
        return RepositoryReader(client, client.name).get_blob(layer.digest)

    def _note(self, tag: str, manifest: ManifestDocument) -> None:
        """Note what a tag names, and open connections to ask for its layers while its config is read."""
        self.named[tag] = manifest.digest
        layers = manifest.content.get("layers")
        if not self._client.is_far or not isinstance(layers, list):
            return
        with self._once:
            ahead, self._is_ahead = self._is_ahead, True
        if not ahead:
            self._client.connect_ahead(min(len(layers) + len(self._tags) + 2, FAR))  # a config beside them
