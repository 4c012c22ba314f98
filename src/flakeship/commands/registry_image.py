"""`source` and `base-image: docker://REFERENCE`: an image in a registry, as blobs that are read only if a step needs them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import TypeVar

from flakeship.commands.connections import Connections
from flakeship.errors import UsageError
from flakeship.image.adopt import Checked
from flakeship.image.media_types import INDEXES, MANIFESTS
from flakeship.image.model import Descriptor, Digest
from flakeship.image.stream import Reader, Stream
from flakeship.registry.client import RegistryClient
from flakeship.registry.reference import TRANSPORT, Reference
from flakeship.sources.blobs import RegistryImage

T = TypeVar("T")


def registry_image(name: str, connections: Connections) -> RegistryImage:
    """Return the image that `docker://REFERENCE` names, by asking for its manifest alone. UsageError where there is none."""
    reference = Reference.parse(name.removeprefix(TRANSPORT))
    client = connections.client(reference, actions="pull")
    blobs = _RegistryBlobs(client, str(reference))
    manifest = blobs.retrying("look at", lambda: client.get_manifest(_wanted(reference)))
    if manifest is None:
        raise UsageError(
            f"there is no image {reference}",
            hint="look at the tags of the repository; some registries say this of what one may not see",
        )
    digest = reference.digest or manifest.digest
    blobs.documents[digest] = manifest.data
    return RegistryImage(blobs, Descriptor(manifest.media_type, digest, len(manifest.data)))


def _wanted(reference: Reference) -> str:
    return reference.digest or reference.tag or "latest"


class _RegistryBlobs:
    here = False

    def __init__(self, client: RegistryClient, what: str) -> None:
        self._client, self.what = client, what
        self.documents: dict[Digest, bytes] = {}

    def size(self, digest: Digest) -> int | None:
        return self._client.head_blob(digest)

    def open(self, digest: Digest) -> Reader:
        return Checked(_Blob(self._client, digest), digest)

    def open_document(self, entry: Descriptor) -> Reader:
        """Manifests and indexes are kept apart from blobs, and are small: a broken answer is asked for again."""
        data = self.documents.get(entry.digest)
        if data is None:
            data = self.retrying("reading of", lambda: self._fetched(entry))
        return io.BytesIO(data)

    def retrying(self, verb: str, action: Callable[[], T]) -> T:
        return self._client.retrying(action, what=f"{verb} {self.what}")

    def _fetched(self, entry: Descriptor) -> bytes:
        if entry.media_type in INDEXES | MANIFESTS:
            manifest = self._client.get_manifest(entry.digest)
            if manifest is None:
                raise UsageError(
                    f"{self._client.name} has no {entry.digest}, which {self.what} names",
                    hint="not all of the image was pushed; push it there again",
                )
            return manifest.data
        with self._client.get_blob(entry.digest) as reader:
            return _all(reader, entry.size)


def _all(reader: io.RawIOBase, size: int) -> bytes:
    """At most one byte more than `size`: enough to tell that it is another."""
    pieces, left = [], size + 1
    while left and (data := reader.read(left)):
        pieces.append(data)
        left -= len(data)
    return b"".join(pieces)


class _Blob(Stream):
    """Asked for when it is first read."""

    def __init__(self, client: RegistryClient, digest: Digest) -> None:
        self._stack = contextlib.ExitStack()
        self._client, self._digest = client, digest
        self._reader: io.RawIOBase | None = None

    def read(self, size: int = -1, /) -> bytes:
        if self._reader is None:
            self._reader = self._stack.enter_context(self._client.get_blob(self._digest))
        return self._reader.read(size) or b""

    def close(self) -> None:
        self._stack.close()
        super().close()
