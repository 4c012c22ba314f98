"""What `publish` gives to a platform at the end of a run, as values: nobody has to parse our JSON again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SentBlob:
    """A config or layer at a destination; `size` in bytes, `sent` where its bytes went there in this run."""

    size: int
    sent: bool


@dataclass(frozen=True, slots=True)
class ShippedTo:
    """A destination of an image. `sent` is False where the image was withheld from it, as in a dry run.

    `blobs` are the layers from the bottom up and the config of each platform.
    """

    reference: str
    sent: bool
    blobs: tuple[SentBlob, ...]


@dataclass(frozen=True, slots=True)
class ShippedImage:
    """One image. `name` is that of its attribute, empty where the run has only one; `platforms` counts its manifests.

    `digest` is that of the manifest or index, `imageid` that of the config.
    """

    name: str
    digest: str
    imageid: str
    platforms: int
    destinations: tuple[ShippedTo, ...]

    @property
    def reference(self) -> str:
        """The first destination that the image was sent to; where it was sent nowhere, the first of all."""
        return next((to.reference for to in self.destinations if to.sent), self.destinations[0].reference)


@dataclass(frozen=True, slots=True)
class Handover:
    """All images of a run, in the order of `flake`.

    `outputs` are the texts by the names of `settings.OUTPUTS`; `pushed` is true where a registry has got any image.
    """

    images: tuple[ShippedImage, ...]
    pushed: bool
    outputs: Mapping[str, str]
