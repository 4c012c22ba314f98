"""What a run has written to registries so far: another repository of the same registry can mount it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flakeship.image.model import Digest

if TYPE_CHECKING:
    from flakeship.registry.client import RegistryClient
    from flakeship.registry.credentials import Credentials


# docs/decisions.md#images-of-one-run-share-blobs
@dataclass(slots=True)
class WrittenBlobs:
    """The blobs of the images that are finished, and a repository for each; by registry and by who wrote there.

    Whoever wrote to a repository may read it too. Others are not asked for: some token servers refuse a token for all
    repositories where one of them may not be read.
    """

    _places: dict[tuple[str, Credentials | None], dict[Digest, str]] = field(default_factory=dict)

    def note(self, client: RegistryClient, digests: Iterable[Digest]) -> None:
        """Remember that the repository of this client has these blobs."""
        place = self._places.setdefault((client.registry, client.credentials), {})
        for digest in digests:
            place.setdefault(digest, client.repository)

    def at(self, registry: str, credentials: Credentials | None) -> Mapping[Digest, str]:
        """The repositories of a registry that have blobs, by their digests."""
        return self._places.get((registry, credentials), {})
