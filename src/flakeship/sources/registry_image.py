"""An image of a registry, stamped anew without a layer being pulled: its blobs are mounted, or are there already, or
stream from one registry to the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flakeship import events
from flakeship.sources.blobs import RegistryImage
from flakeship.sources.indexes import ImageManifests, is_index, manifests_below
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.stored import open_images


@contextlib.contextmanager
def opened(remote: RegistryImage, request: SourceRequest) -> Iterator[Opened]:
    """Open an image of a registry. NotAnImageError where it is none."""
    index = is_index(remote.blobs, remote.entry)
    found = manifests_below(remote.blobs, remote.entry) if index else ImageManifests((remote.entry,), {})
    if found.left_out:
        request.emit(
            events.Notice(
                f"{remote.blobs.what}: {found.left_out} entries say something of an image as it was, and are left out"
            )
        )
    yield open_images(remote.blobs, found, platform=request.platform, as_is=request.as_is)
