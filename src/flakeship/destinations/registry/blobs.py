"""Making sure that a blob is in a repository: the unit that is tried again, always from the question whether it is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Literal, TypeAlias

from flakeship.destinations.protocol import BlobsUnknownError
from flakeship.errors import ResourceError
from flakeship.events import Emit
from flakeship.http.body import RequestBody
from flakeship.http.errors import WireError
from flakeship.http.throttle import AdaptiveLimit
from flakeship.image.model import Descriptor, Digest
from flakeship.image.stream import sha256_of
from flakeship.registry.client import RegistryClient, UploadSession
from flakeship.registry.errors import DeniedError, RegistryError

State: TypeAlias = Literal["uploaded", "reused", "mounted"]

_NO_STREAM: Final = frozenset({400, 404, 405, 411, 413, 415, 416, 501})
"""Refusals of a PATCH after which POST and PUT alone may still do."""
_TROUBLE: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Blob:
    """`open` is None for what was found at the destination and never made here; `name` is how an error calls it."""

    digest: Digest
    size: int
    open: Callable[[], BinaryIO] | None
    name: str

    @classmethod
    def of(cls, descriptor: Descriptor, open_: Callable[[], BinaryIO] | None, *, name: str) -> Blob:
        return cls(descriptor.digest, descriptor.size, open_, name)


@dataclass(slots=True)
class _Course:
    """What the tries of one blob know of each other."""

    blob: Blob
    believe: bool
    committed: bool = False
    sessions: list[UploadSession] = field(default_factory=list)


class BlobUploads:
    """Uploads to one repository by the form of request that it takes: streamed PATCH, or one PUT where that is refused.

    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs
    """

    def __init__(self, client: RegistryClient, *, mount_from: tuple[str, ...], emit: Emit) -> None:
        self._client = client
        self._mount_from = tuple(source for source in mount_from if source != client.repository)
        self._emit = emit
        self._limit = AdaptiveLimit(client.transport.now)
        self._streams = True

    def ensure(self, blob: Blob, *, believe: bool = True) -> State:
        """The blob is there when this returns. With `believe` False it is sent even if the registry has it.

        BlobsUnknownError for a blob that is missing there and cannot be opened here.
        """
        course = _Course(blob, believe)
        try:
            return self._client.retrying(
                lambda: self._try(course), what=f"upload of {blob.name} to {self._client.name}"
            )
        finally:
            self._cancel(course)

    def _try(self, course: _Course) -> State:
        with self._limit.slot():
            try:
                state = self._once(course)
            except RegistryError as error:
                if error.answer.status in _TROUBLE:
                    self._limit.trouble()
                raise
        self._limit.success()
        return state

    def _once(self, course: _Course) -> State:
        blob = course.blob
        self._cancel(course)
        if course.believe and self._is_there(blob):
            return "uploaded" if course.committed else "reused"
        session = self._mount(blob.digest) if course.believe else self._client.start_upload()
        if session is None and self._is_there(blob):
            return "mounted"
        if blob.open is None:
            if session:
                self._client.cancel(session)
            raise BlobsUnknownError(frozenset({blob.digest}))
        session = session or self._client.start_upload()
        self._send(course, session, RequestBody(blob.open, blob.size, blob.name, self._emit))
        return "uploaded"

    def _is_there(self, blob: Blob) -> bool:
        """And not of another size than it is said to be; some registries tell none, or 0.

        A HEAD that is denied says nothing yet: the POST after it is answered with the reason.
        """
        try:
            size = self._client.head_blob(blob.digest)
        except DeniedError:
            return False
        return size is not None and (size <= 0 or size == blob.size)

    def _mount(self, digest: Digest) -> UploadSession | None:
        """None when the blob is here now. Whatever goes wrong with mounting, a plain upload still may do."""
        for source in self._mount_from:
            try:
                return self._client.mount(digest, source)
            except (WireError, DeniedError):
                continue
        return self._client.start_upload()

    def _send(self, course: _Course, session: UploadSession, body: RequestBody) -> None:
        if self._streams:
            try:
                self._stream(course, session, body)
            except RegistryError as error:
                if error.answer.method != "PATCH" or error.transient or error.answer.status not in _NO_STREAM:
                    raise
                refused = error
            else:
                return
            session = self._client.start_upload()
            self._put_at_once(course, session, body, refused)
            self._streams = False
        else:
            self._put_at_once(course, session, body, None)

    def _stream(self, course: _Course, session: UploadSession, body: RequestBody) -> None:
        course.sessions.append(session)
        course.sessions[-1] = session = self._client.patch(session, body)
        self._commit(course, session, None)

    def _put_at_once(
        self, course: _Course, session: UploadSession, body: RequestBody, refused: RegistryError | None
    ) -> None:
        course.sessions.append(session)
        try:
            self._commit(course, session, body)
        except RegistryError as error:
            if refused and not error.transient:
                # Artifactory now and then answers a PATCH 404 and never takes a PUT: then both are worth a new session
                refused.transient = refused.answer.status == 404
                raise refused from error
            raise

    def _commit(self, course: _Course, session: UploadSession, body: RequestBody | None) -> None:
        course.committed = True
        try:
            self._client.commit(session, course.blob.digest, body=body)
        except RegistryError as error:
            if "DIGEST_INVALID" in error.answer.codes:
                _check_local(course.blob)
            raise
        course.sessions.pop()

    def _cancel(self, course: _Course) -> None:
        """End sessions that a failed try left open."""
        while course.sessions:
            self._client.cancel(course.sessions.pop())


def _check_local(blob: Blob) -> None:
    """ResourceError where the file here is not what it was: then sending it again is of no use."""
    assert blob.open is not None
    with blob.open() as file:
        digest, size = sha256_of(file)
    if digest != blob.digest:
        raise ResourceError(
            f"{blob.name} changed while it was being sent: it is {digest} of {size} bytes now",
            hint="Something else writes to the folder for temporary files; run again.",
        )
