"""Roots in a repository of a registry, through the client and the uploads that images have."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO, Final, TypeVar

from flakeship import events
from flakeship.caches.packs.repository import GoneError
from flakeship.destinations.registry.blobs import Blob, BlobUploads
from flakeship.errors import Error, NotAllowedError, UnreachableError, UsageError
from flakeship.http.errors import WireError
from flakeship.http.retry import RetryPolicy
from flakeship.image.document import decode_object
from flakeship.image.media_types import OCI
from flakeship.image.model import Digest, digest_of
from flakeship.image.stream import Reader, read_full
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import DeniedError, RegistryError, is_passing
from flakeship.registry.manifest_answer import Manifest

T = TypeVar("T")

_PATIENCE: Final = 8.0
"""Seconds for an answer, and for each piece of it: a cache that takes longer costs more than it is worth."""

_READS: Final = RetryPolicy(tries=3, first_wait=0.2, longest_wait=1.0, longest_asked_wait=2.0, total_wait=3.0)
"""For what is read while Nix waits. What is written has the policy of every other push."""

_COUNTED_TRIES: Final = 2
"""Tries of an upload whose bytes count as movement."""

_WHOLE: Final = 4 * 1024 * 1024
"""Bytes of a pack that is sent in the request that ends its session: at the end of a run, round trips are waited for."""

_PAGE: Final = "check what stands between this machine and the registry: a proxy or a page to log in answers in its place"
_MISSING: Final = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"})
_NO_SUCH_NAME: Final = frozenset({"NAME_INVALID", "NAME_UNKNOWN"})
_REFUSED: Final = frozenset({400, 404, 405, 415, 501})
"""Statuses that refuse to delete a manifest by its digest; a registry that answers so may still delete a tag."""


class _DamagedError(WireError):
    """A blob is not the one that was asked for."""


class RegistryRepository:
    """A repository of a registry. `client` has the right to push, and to delete where roots are to be removed."""

    def __init__(self, client: RegistryClient, *, emit: events.Emit = events.ignore) -> None:
        self._client, self._emit = client, emit
        self.moved = time.monotonic()
        # The progress of a run counts the bytes of images, and a cache's are not among them.
        self._uploads = BlobUploads(client, mount_from=(), emit=self._sending, bodies=3, whole=_WHOLE)
        self._places: dict[Digest, str] = {}
        self._uncounted = 0
        """Bytes of uploads that show, when they are sent, that something moves; a registry that takes them again and again takes none."""
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name in messages: `ghcr.io/owner/name/nix-cache`."""
        return self._client.name

    def _sending(self, event: events.Event) -> None:
        if not isinstance(event, events.BytesMoved):
            return
        with self._lock:
            counts, self._uncounted = self._uncounted > 0, self._uncounted - event.count
        if counts:
            self.moved = time.monotonic()

    @property
    def time(self) -> float | None:
        """The registry's own time."""
        return self._client.time

    is_damaged: Final = False
    """A registry looks after itself."""

    def tags(self) -> Sequence[str]:
        """Return all tags; none where there is no such repository yet."""
        return self._reading(self._client.tags, "tags of")

    def manifest(self, tag: str) -> Manifest | None:
        """Return what a tag names, None without it. UnreachableError for a page of whatever stands before the registry."""
        found = self._reading(lambda: self._client.get_manifest(tag), "look at")
        if found and not _is_object(
            found.data
        ):  # a registry takes no such manifest, so that no root is damaged
            raise UnreachableError(
                f"{self.name}:{tag} was answered with something else than a manifest", hint=_PAGE
            )
        return found

    def named(self, tag: str) -> Digest | None:
        """Return the digest of what a tag names, None without it."""
        return self._reading(lambda: self._client.head_manifest(tag), "look at")

    def put(self, tag: str, manifest: bytes, *, instead_of: Digest | None) -> bool:
        """Let a tag name this manifest. False if it names another one than `instead_of`, GoneError if a blob of it is missing."""
        if self.named(tag) != instead_of:
            return False
        try:
            self._writing(
                lambda: self._client.put_manifest(tag, manifest, media_type=OCI.manifest),
                "push of manifest to",
            )
        except RegistryError as error:
            if _MISSING & set(error.answer.codes):
                raise GoneError(f"{self.name} misses blobs of the root {tag}") from error
            raise
        return True

    def blob(self, digest: Digest, size: int) -> bytes:
        """Return a whole small blob. GoneError without it, and for one that is another each time it is read."""

        def read() -> bytes:
            with self._client.get_blob(digest) as reader:
                data = read_full(reader, size + 1)
            if len(data) != size or digest_of(data) != digest:
                raise _DamagedError(f"{self.name} sent something else than {digest}")
            return data

        try:
            with self._gone(digest):
                return self._reading(read, "reading of")
        except _DamagedError as error:  # in the registry, or there would be no second time
            raise GoneError(f"{digest[:19]} in {self.name} is damaged") from error

    def holds(self, digest: Digest, size: int) -> bool:
        """Tell whether a blob is there."""
        found = self._reading(lambda: self._client.head_blob(digest), "look at")
        return found is not None and found in (size, 0, -1)

    def be_asked(self, count: int) -> None:
        """Open the connections, unless a round trip is short. A connection that fails is told by the request that needs it."""
        if not self._client.is_near:
            with suppress(Error, OSError):
                self._client.connect_ahead(count)

    @contextmanager
    def part(self, digest: Digest, start: int, length: int) -> Iterator[Reader | None]:
        """Yield a stream of a part of a blob; None if the registry gives no parts. GoneError without the blob."""
        with ExitStack() as scope:
            with self._gone(digest):
                found = self._reading(lambda: self._part(digest, start, length, scope), "reading of")
            yield found

    def _part(self, digest: Digest, start: int, length: int, scope: ExitStack) -> io.RawIOBase | None:
        place = self._places.get(digest, "")
        if place:
            try:
                if stream := self._asked(digest, start, length, scope, place):
                    return stream
            except (DeniedError, RegistryError) as error:
                if is_passing(error):
                    raise
            with self._lock:  # such an address is valid for some minutes: GHCR's for five
                self._places.pop(digest, None)
        return self._asked(digest, start, length, scope, "")

    def _asked(
        self, digest: Digest, start: int, length: int, scope: ExitStack, place: str
    ) -> io.RawIOBase | None:
        found = scope.enter_context(
            self._client.get_blob_range(digest, start, length, url=place, patience=_PATIENCE)
        )
        if found.stream and not self._client.is_own(found.url):
            with self._lock:
                self._places[digest] = found.url
        return found.stream

    @contextmanager
    def whole(self, digest: Digest) -> Iterator[Reader]:
        """Yield a stream of a blob. GoneError without it."""
        with ExitStack() as scope:
            with self._gone(digest):
                stream = self._reading(
                    lambda: scope.enter_context(self._client.get_blob(digest)), "reading of"
                )
            yield stream

    def upload(self, digest: Digest, size: int, open_: Callable[[], BinaryIO]) -> None:
        """Return when the blob is there. UsageError where the registry has no such repository, and makes none."""
        with self._lock:
            self._uncounted += _COUNTED_TRIES * size
        try:
            self._uploads.ensure(Blob(digest, size, open_, f"cache {digest[:19]}", is_new=True))
        except RegistryError as error:
            if not _NO_SUCH_NAME & set(error.answer.codes):
                raise
            raise UsageError(
                f"there can be no repository {self.name}: {error.message}",
                hint="name one that is there by `nix-cache: docker://REFERENCE`: not every registry has names below those of images",
            ) from error

    def delete(self, tag: str, digest: Digest) -> bool:
        """Remove a manifest, and with it the tag; where the registry can't do that, the tag. NotAllowedError if it won't.

        By the digest nothing is removed that another run has given the tag meanwhile.
        """
        try:
            try:
                self._writing(lambda: self._client.delete_manifest(digest), "removal from")
            except RegistryError as error:
                if error.answer.status not in _REFUSED:
                    raise
                if self.named(tag) != digest:
                    return False
                self._writing(lambda: self._client.delete_manifest(tag), "removal from")
        except (DeniedError, RegistryError) as error:
            raise NotAllowedError(
                f"{self.name}:{tag} can't be removed: {error}",
                hint="remove it on the page of the package, or use credentials that may delete",
            ) from error
        return True

    def tidy(self) -> int:
        """Nothing here: a registry's own collection removes what no tag leads to."""
        return 0

    def end(self) -> None:
        """Begin no further upload, and cancel the sessions of those that wait for another try. Returns at once.

        What is being sent is not cut off: the connections are those of the run, whose image may be on its way.
        """
        self._uploads.begin_end()

    def _reading(self, action: Callable[[], T], verb: str) -> T:
        try:
            return self._client.retrying(action, what=f"{verb} {self.name}", policy=_READS)
        except WireError as error:
            error.transient = False  # who asks has tries of its own for what breaks off later
            raise

    def _writing(self, action: Callable[[], T], verb: str) -> T:
        return self._client.retrying(action, what=f"{verb} {self.name}")

    @contextmanager
    def _gone(self, digest: Digest) -> Iterator[None]:
        try:
            yield
        except RegistryError as error:
            if error.answer.status in (404, 410):
                raise GoneError(f"{digest[:19]} is not in {self.name} any more") from error
            raise


def _is_object(data: bytes) -> bool:
    try:
        decode_object(data)
    except ValueError:
        return False
    return True
