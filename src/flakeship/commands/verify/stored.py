"""What a repository holds of an image, read by digest: every byte is hashed before it is believed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flakeship import events
from flakeship.errors import NotAnImageError, RejectedError, UsageError
from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.existing import media_type_of
from flakeship.image.media_types import INDEXES
from flakeship.image.model import Descriptor, Digest
from flakeship.image.stream import CHUNK, Wrapper
from flakeship.printable import counted
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import RegistryError
from flakeship.registry.reading import RepositoryReader
from flakeship.registry.reference import Reference
from flakeship.sources.blobs import parse_descriptor

DAMAGED: Final = (
    "publish the image again, and ask whoever runs the registry: it hands out other bytes than it was given"
)
_CHANGED: Final = (
    "ask whoever runs the registry to remove these bytes, which are not those that it was given: while they are there it takes no "
    'others; then publish the image again with `reuse: "off"`'
)
GONE: Final = (
    'publish the image again with `reuse: "off"`, which believes nothing of what is published, and look what removes manifests and '
    "blobs there: a cleaner may take what has no tag"
)
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest or an index whose bytes have the digest of `entry`."""

    entry: Descriptor
    document: Mapping[str, Any]

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return self.entry.media_type in INDEXES or "manifests" in self.document

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations that are text."""
        noted = self.document.get("annotations")
        return (
            {key: text for key, text in noted.items() if isinstance(text, str)}
            if isinstance(noted, dict)
            else {}
        )

    def config(self) -> Descriptor:
        """The descriptor of its config. RejectedError where it is malformed."""
        return described(self.document.get("config"), f"the manifest {self.entry.digest}")

    def descriptors(self, name: str) -> tuple[Descriptor, ...]:
        """The descriptors in the list `name`. RejectedError where it is malformed."""
        listed = self.document.get(name, [])
        if not isinstance(listed, list):
            raise RejectedError(f"the manifest {self.entry.digest} has {name} that are no list", hint=DAMAGED)
        return tuple(described(each, f"the manifest {self.entry.digest}") for each in listed)


def described(entry: Any, what: str) -> Descriptor:
    """Read a descriptor. RejectedError where it is malformed."""
    try:
        return parse_descriptor(entry, what)
    except NotAnImageError as error:
        raise RejectedError(error.message, hint=DAMAGED) from error


class StoredObjects:
    """The objects of one repository. RejectedError for an object that is missing, or that has another digest than its name.

    Its methods may be called by several threads. `count` and `size`, in bytes, are of all that was read so far.
    """

    def __init__(self, client: RegistryClient, reference: Reference, emit: events.Emit) -> None:
        self._client = client
        self._reader = RepositoryReader(client, str(reference))
        self._emit = emit
        self._lock = threading.Lock()
        self._seen: set[Digest] = set()
        self.name = client.name
        self.count = self.size = 0

    def named(self, name: str) -> StoredManifest | None:
        """Return what a tag or a digest leads to; None where there is nothing."""
        stated = (
            name
            if ":" in name
            else self._reader.retrying("look at", lambda: self._client.head_manifest(name))
        )
        if stated is None:
            return None
        found = self._reader.get_manifest(name)
        if found is None:
            return None
        return self._checked(
            Descriptor(found.media_type, Digest(stated), len(found.data)), found.data, found.media_type, name
        )

    def manifest(self, entry: Descriptor, what: str) -> StoredManifest:
        """Return the manifest that a descriptor names; `what` begins the message if it is not there."""
        found = self._reader.get_manifest(entry.digest)
        if found is None:
            raise RejectedError(f"{what} names {entry.digest}, and {self.name} does not hold it", hint=GONE)
        return self._checked(entry, found.data, found.media_type, entry.digest)

    def _checked(self, entry: Descriptor, data: bytes, media_type: str, name: str) -> StoredManifest:
        algorithm = entry.digest.partition(":")[0]
        self._compare(entry, f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}", len(data))
        try:
            document = decode_object(data)
        except ValueError as error:
            raise RejectedError(
                f"the manifest {name} of {self.name} can't be read: {error}", hint=DAMAGED
            ) from error
        said = media_type_of(document)
        for other in {entry.media_type, media_type} - {"", said or media_type}:
            raise RejectedError(
                f"the manifest {entry.digest} of {self.name} is {said or 'of no type'}, and is listed as {other[:80]}",
                hint=DAMAGED,
            )
        self._counted(entry.digest, len(data))
        platform = entry.platform
        return StoredManifest(
            Descriptor(
                said or media_type or entry.media_type, entry.digest, len(data), entry.annotations, platform
            ),
            document,
        )

    def blob(self, entry: Descriptor, limit: int = DOCUMENT_LIMIT) -> bytes:
        """Return a blob of at most `limit` bytes."""
        if entry.size > limit:
            raise RejectedError(
                f"the blob {entry.digest} of {self.name} is said to have {counted(entry.size, 'byte')}, and nothing of its kind has",
                hint=DAMAGED,
            )
        pieces: list[bytes] = []
        with self.opened(entry) as reader:
            while data := reader.read(CHUNK):
                pieces.append(data)
        return b"".join(pieces)

    def opened(self, entry: Descriptor, *, awaited: bool = False) -> CheckedBlob:
        """Return the stream of a blob, which compares itself with its descriptor at its end. The progress of one that
        is `awaited` is reported.
        """
        return CheckedBlob(self, entry, awaited=awaited)

    def awaiting(self, size: int) -> None:
        """Tell that so many bytes will be read of blobs that are awaited."""
        self._emit(events.BytesAwaited("read", size))

    def done(self, entry: Descriptor, digest: str, size: int) -> None:
        """Take note of a blob that was read to its end. RejectedError where it is another than its descriptor says."""
        self._compare(entry, digest, size)
        self._counted(entry.digest, size)

    def _compare(self, entry: Descriptor, digest: str, size: int) -> None:
        if digest != entry.digest:
            raise RejectedError(
                f"{self.name} hands out {digest} for {entry.digest}: its bytes were changed", hint=_CHANGED
            )
        if size != entry.size:
            raise RejectedError(
                f"{entry.digest} of {self.name} has {counted(size, 'byte')}, and is listed with {entry.size}",
                hint=DAMAGED,
            )

    def _counted(self, digest: Digest, size: int) -> None:
        with self._lock:
            if digest not in self._seen:
                self._seen.add(digest)
                self.count += 1
                self.size += size

    def open(self, digest: Digest) -> Any:
        """Open a blob as the registry hands it out."""
        return self._reader.open_blob(digest)

    def moved(self, count: int) -> None:
        """Tell of bytes that were read."""
        self._emit(events.BytesMoved("read", count))


class CheckedBlob(Wrapper):
    """A blob that is hashed while it is read, and compared at its end."""

    def __init__(self, objects: StoredObjects, entry: Descriptor, *, awaited: bool) -> None:
        super().__init__(objects.open(entry.digest))
        self._objects, self._entry, self._awaited = objects, entry, awaited
        self._hash = hashlib.new(entry.digest.partition(":")[0])
        self._size = 0
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = super().read(size)
        except RegistryError as error:
            if error.answer.status == _NOT_FOUND:
                raise RejectedError(
                    f"{self._objects.name} does not hold the blob {self._entry.digest}", hint=GONE
                ) from error
            raise
        self._hash.update(data)
        self._size += len(data)
        if self._awaited:
            self._objects.moved(len(data))
        if self._size > self._entry.size or (not data and size and not self._ended):
            self._ended = True
            self._objects.done(self._entry, f"{self._hash.name}:{self._hash.hexdigest()}", self._size)
        return data

    def drain(self) -> None:
        """Read what is left, so that all of it is compared."""
        while self.read(CHUNK):
            pass


def nothing_there(reference: Reference) -> UsageError:
    """Return the error for a name that leads to no image."""
    return UsageError(
        f"there is no image {reference}",
        hint=f"check the name and the {'digest' if reference.digest else 'tag'}, and log in: some registries give this answer to users who may not read the image",
    )
