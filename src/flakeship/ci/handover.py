"""What `publish` gives to a platform at the end of a run, as values, so that no platform parses our JSON.

They are named tuples because every publish imports them: the four dataclasses would take 3 ms more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class SentBlob(NamedTuple):
    """A config or layer at a destination; `size` in bytes, `sent` where its bytes went there in this run."""

    size: int
    sent: bool


class ShippedTo(NamedTuple):
    """A destination of an image. `sent` is False where the image was withheld from it, as in a dry run.

    `blobs` are the layers from the bottom up and the config of each platform.
    """

    reference: str
    sent: bool
    blobs: tuple[SentBlob, ...]


class ShippedImage(NamedTuple):
    """One image. `name` is that of its attribute, empty where the run has only one; `platforms` counts its manifests.

    `digest` is that of the manifest or index, `imageid` that of the config: neither is anywhere if `reference` is empty.
    `pushed` is as in `Handover`, for this image alone. `changes` are numbers by name of what changed since an earlier image, empty where
    none is known.
    """

    name: str
    digest: str
    imageid: str
    platforms: int
    destinations: tuple[ShippedTo, ...]
    pushed: bool
    changes: tuple[tuple[str, int], ...] = ()

    @property
    def reference(self) -> str:
        """The first destination that the image was sent to; empty where it was sent nowhere."""
        return next((to.reference for to in self.destinations if to.sent), "")


class Handover(NamedTuple):
    """All images of a run, in the order of `flake`.

    `outputs` are the texts by the names of `settings.outputs.OUTPUTS`; `pushed` is true where registries have got all that was to
    be pushed to them, and at least one image. `to_attest` are the references with digest, `ghcr.io/owner/name@sha256:…`, of what a step
    behind this one may sign a statement about.
    """

    images: tuple[ShippedImage, ...]
    pushed: bool
    outputs: Mapping[str, str]
    to_attest: tuple[str, ...] = ()
