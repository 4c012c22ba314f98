"""An image of a registry, stamped anew without a layer being pulled: its blobs are mounted, or are there already, or
stream from one registry to the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flakeship import events
from flakeship.sources.blobs import Remote
from flakeship.sources.indexes import Found, found_in, is_index
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.stored import chosen


@contextlib.contextmanager
def opened(remote: Remote, request: SourceRequest) -> Iterator[Opened]:
    index = is_index(remote.blobs, remote.entry)
    found = found_in(remote.blobs, remote.entry) if index else Found((remote.entry,), {})
    if found.left_out:
        request.emit(
            events.Notice(
                f"{remote.blobs.what}: {found.left_out} entries say something of an image as it was, and are left out"
            )
        )
    yield chosen(remote.blobs, found, platform=request.platform, as_is=request.as_is)
