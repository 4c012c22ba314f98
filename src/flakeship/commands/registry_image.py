"""`source` and `base-image: docker://REFERENCE`: an image in a registry, as blobs that are read only if a step needs them."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Final

from flakeship.commands.connections import Connections
from flakeship.errors import UsageError
from flakeship.image.adopt import Checked
from flakeship.image.media_types import INDEXES, MANIFESTS
from flakeship.image.model import Descriptor, Digest
from flakeship.image.stream import Reader
from flakeship.registry.errors import DeniedError
from flakeship.registry.reading import RepositoryReader
from flakeship.registry.reference import TRANSPORT, Reference
from flakeship.sources.blobs import RegistryImage

_KEPT: Final = 16 * 1024 * 1024
"""Bytes of documents that are kept for a second reader; those of an image are some ten thousand."""


def registry_image(name: str, connections: Connections, *, pushed_to: Collection[str]) -> RegistryImage:
    """Return the image that `docker://REFERENCE` names, by asking for its manifest alone. UsageError if it does not exist.

    `pushed_to` is as in `Connections.reader`.
    """
    reference = Reference.parse(name.removeprefix(TRANSPORT))
    repository = connections.reader(reference, pushed_to=pushed_to)
    try:
        manifest = repository.get_manifest(_wanted(reference))
    except DeniedError as error:
        from flakeship.registry.hints import hint_for

        error.hint = error.hint or hint_for(reference.registry)
        raise
    if manifest is None:
        raise UsageError(
            f"there is no image {reference}",
            hint=f"check the name and the {'digest' if reference.digest else 'tag'}, and log in: some registries give this answer to users who may not read the image",
        )
    blobs = _RegistryBlobs(repository)
    digest = reference.digest or manifest.digest
    blobs.documents[digest] = manifest.data
    return RegistryImage(blobs, Descriptor(manifest.media_type, digest, len(manifest.data)), reference.name)


def _wanted(reference: Reference) -> str:
    return reference.digest or reference.tag or "latest"


class _RegistryBlobs:
    here = False

    def __init__(self, repository: RepositoryReader) -> None:
        self._repository, self.what = repository, repository.what
        self.documents: dict[Digest, bytes] = {}

    def size(self, digest: Digest) -> int | None:
        return self._repository.size(digest)

    def open(self, digest: Digest) -> Reader:
        return Checked(self._repository.open_blob(digest), digest)

    def open_document(self, entry: Descriptor) -> Reader:
        """Manifests and indexes are kept apart from blobs, and all documents are small."""
        data = self.documents.get(entry.digest)
        if data is None:
            data = self._fetched(entry)
            if sum(map(len, self.documents.values())) + len(data) <= _KEPT:
                self.documents[entry.digest] = data
        return io.BytesIO(data)

    def _fetched(self, entry: Descriptor) -> bytes:
        if entry.media_type in INDEXES | MANIFESTS:
            manifest = self._repository.get_manifest(entry.digest)
            if manifest is None:
                raise UsageError(
                    f"{self._repository.name} does not hold {entry.digest}, which {self.what} names",
                    hint="push the image there again: not all of it was pushed",
                )
            return manifest.data
        with self._repository.get_blob(entry.digest) as reader:
            return _all(reader, entry.size)


def _all(reader: io.RawIOBase, size: int) -> bytes:
    """At most one byte more than `size`: enough to tell that it is another."""
    pieces, left = [], size + 1
    while left and (data := reader.read(left)):
        pieces.append(data)
        left -= len(data)
    return b"".join(pieces)
