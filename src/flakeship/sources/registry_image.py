"""An image of a registry, stamped anew without a layer being pulled: its blobs are mounted, or are there already, or
stream from one registry to the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from flakeship import events
from flakeship.image.model import Platform
from flakeship.printable import counted
from flakeship.sources.blobs import RegistryImage
from flakeship.sources.documents import is_index
from flakeship.sources.indexes import ImageManifests, image_alone, manifests_below
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.stored import open_images


@contextlib.contextmanager
def opened(remote: RegistryImage, request: SourceRequest) -> Iterator[Opened]:
    """Open an image of a registry. NotAnImageError for anything else that a registry may hold."""
    found = images_at(remote, request.platforms)
    if found.left_out:
        request.emit(
            events.Notice(
                f"{remote.blobs.what}: {counted(found.left_out, 'entry', 'entries')} left out, which describe the image as it was (attestations, signatures)"
                + (", unless it stays as it was" if request.as_is else "")
            )
        )
    copied = request.as_is and not remote.blobs.here
    yield open_images(
        remote.blobs,
        found,
        platforms=request.platforms,
        as_is=request.as_is,
        named=remote.entry if copied else None,
    )


def images_at(remote: RegistryImage, platforms: Sequence[Platform] = ()) -> ImageManifests:
    """Return the manifests of what a reference leads to; of an index, those for `platforms` where entries state them."""
    if is_index(remote.blobs, remote.entry):
        return manifests_below(remote.blobs, remote.entry, platforms=platforms)
    return image_alone(remote.blobs, remote.entry)
