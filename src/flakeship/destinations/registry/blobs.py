"""Uploads of blobs to one repository. Each retry begins with the question whether the blob is there by now."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, Final, Literal, TypeAlias

from flakeship.destinations.protocol import BlobsUnknownError
from flakeship.destinations.registry.sessions import EndedError, Grace, UploadSessions
from flakeship.errors import ResourceError
from flakeship.events import Emit
from flakeship.http.body import RequestBody
from flakeship.http.errors import WireError
from flakeship.http.throttle import AdaptiveLimit
from flakeship.image.model import Descriptor, Digest
from flakeship.image.stream import sha256_of
from flakeship.image.workers import workers
from flakeship.printable import counted
from flakeship.registry.client import RegistryClient
from flakeship.registry.errors import DeniedError, RegistryError, as_lost_commit, is_passing, refuses_the_form
from flakeship.registry.upload_answer import UploadSession

State: TypeAlias = Literal["uploaded", "reused", "mounted"]

_NO_STREAM: Final = frozenset({400, 404, 405, 411, 413, 415, 416, 501})
"""Statuses that refuse a PATCH; a registry that answers with one of them may still accept POST and PUT."""
_SMALL: Final = 128 * 1024
"""Bytes of a blob that is sent in the request that ends its session: one that fails costs little to send again."""

_LIKELY: Final = 2
"""Layers in a row that were not there, after which the next is likely not to be there either."""

_OVERLOADED: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob to upload. `open` is None if it was found at the destination and not made here; `name` is for errors.

    `is_new` tells that the destination can hardly have it, as a config that was just stamped.
    """

    digest: Digest
    size: int
    open: Callable[[], BinaryIO] | None
    name: str
    is_new: bool = False

    @classmethod
    def of(
        cls,
        descriptor: Descriptor,
        open_: Callable[[], BinaryIO] | None,
        *,
        name: str,
        is_new: bool = False,
    ) -> Blob:
        """Make a blob of a descriptor, which is an image's config or one of its layers."""
        return cls(descriptor.digest, descriptor.size, open_, name, is_new)


@dataclass(slots=True)
class _Upload:
    """State that the tries of one blob share."""

    blob: Blob
    believe: bool
    committed: bool = False
    sessions: list[UploadSession] = field(default_factory=list)


class BlobUploads:
    """Uploads to one repository: by a streamed PATCH, or by one PUT if the registry refuses that or the blob is small.

    At most `bodies` streams are sent at a time; what comes before and after one does not count. Blobs of up to `whole` bytes
    are small.

    https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs
    """

    def __init__(
        self,
        client: RegistryClient,
        *,
        mount_from: tuple[str, ...],
        written: Mapping[Digest, str] | None = None,
        emit: Emit,
        bodies: int = 4,
        whole: int = _SMALL,
    ) -> None:
        self._client = client
        self._whole = whole
        self._written = written or {}
        self._bodies = threading.Semaphore(bodies)
        self._one_by_one = bodies == 1
        self._mount_from = tuple(source for source in mount_from if source != client.repository)
        self._emit = emit
        self._limit = AdaptiveLimit(client.transport.now)
        self._sessions = UploadSessions(client)
        self._streams = True
        self._takes_whole = True
        self._missing_in_a_row = 0

    def check(self) -> None:
        """Open a session and cancel it again, which needs the right to push. Raises what `start_upload` raises."""
        self._sessions.cancel_aside(self._start())

    def begin_end(self) -> None:
        """Open no further session, and begin to cancel those that wait for another try. Returns at once."""
        self._sessions.begin_end()

    def finish_end(self, grace: Grace) -> None:
        """Wait within `grace` until each session is cancelled. To be called when the run ends before its time."""
        self._sessions.finish_end(grace)

    def ensure(self, blob: Blob, *, believe: bool = True) -> State:
        """Return when the blob is there. With `believe=False` it is sent even if the registry reports that it has it.

        BlobsUnknownError if the blob is missing there and cannot be opened here.
        """
        upload = _Upload(blob, believe)
        try:
            return self._client.retrying(
                lambda: self._try(upload), what=f"upload of {blob.name} to {self._client.name}"
            )
        finally:
            self._cancel(upload)

    def _try(self, upload: _Upload) -> State:
        with self._limit.slot():
            try:
                state = self._once(upload)
            except RegistryError as error:
                if error.answer.status in _OVERLOADED:
                    self._limit.trouble()
                self._raise_ended(error)
                raise
            except WireError as error:
                self._limit.trouble()  # it may be that so many connections are not allowed
                self._raise_ended(error)
                raise
        self._limit.success()
        return state

    def _once(self, upload: _Upload) -> State:
        blob = upload.blob
        self._sessions.check()
        self._cancel(upload)
        there, session = self._asked_for(upload)
        if there:
            if session:
                self._sessions.cancel_aside(session)
            return "uploaded" if upload.committed else "reused"
        # docs/decisions.md#a-mounted-blob-is-asked-for-afterwards
        if session is None and self._is_there(blob):
            return "mounted"
        if blob.open is None:
            if session:
                self._cancel_one(session)
            raise BlobsUnknownError(frozenset({blob.digest}))
        session = session or self._start()
        self._send(upload, session, RequestBody(blob.open, blob.size, blob.name, self._emit))
        return "uploaded"

    def _asked_for(self, upload: _Upload) -> tuple[bool, UploadSession | None]:
        """Return whether the blob is there and is believed to be, and a session for it unless a mount succeeded.

        Of a registry that is far away a session is asked for in the same moment where the answer is likely to be no: it
        was for the last two layers, or the blob is new.
        """
        blob = upload.blob
        if not upload.believe:
            return False, self._start()
        # docs/decisions.md#independent-questions-are-asked-at-once
        if not (self._client.is_far and blob.open and (blob.is_new or self._missing_in_a_row >= _LIKELY)):
            found = self._is_there(blob)
            self._note(found=found)
            return (True, None) if found else (False, self._mount(blob.digest))
        with workers("ask", 1) as pool:
            there = pool.submit(self._is_there, blob)
            session = self._mount(blob.digest)
            if session:
                upload.sessions.append(session)  # whatever the question ends with, the next try cancels it
            found = there.result()
        if not blob.is_new:
            self._note(found=found)
        if session:
            upload.sessions.pop()
        return found, session

    def _note(self, *, found: bool) -> None:
        self._missing_in_a_row = 0 if found else self._missing_in_a_row + 1

    def _is_there(self, blob: Blob) -> bool:
        """Ask whether the blob is there with its size, which some registries do not report, or report as 0.

        A refused HEAD counts as no: the question need not be asked, and the POST that follows is answered with the reason.
        """
        try:
            size = self._client.head_blob(blob.digest)
        except (DeniedError, RegistryError) as error:
            if is_passing(error):
                raise
            return False
        return size is not None and (size <= 0 or size == blob.size)

    def _mount(self, digest: Digest) -> UploadSession | None:
        """Return None if a mount succeeded, else an upload session: a plain upload may still work if mounting failed."""
        known = self._written.get(digest)
        for source in (known,) if known and known != self._client.repository else self._mount_from:
            try:
                return self._sessions.open(partial(self._client.mount, digest, source))
            except (WireError, DeniedError):
                continue
        return self._start()

    def _start(self) -> UploadSession:
        session = self._sessions.open(self._client.start_upload)
        assert session
        return session

    def _send(self, upload: _Upload, session: UploadSession, body: RequestBody) -> None:
        # docs/decisions.md#a-small-blob-is-sent-whole
        # one that was refused or lost once is streamed: its commit can be sent again without the bytes
        whole = body.size <= self._whole and self._takes_whole and not upload.committed
        if self._streams and whole:
            try:
                self._put_at_once(upload, session, body, None)
            except RegistryError as error:
                if error.answer.status not in _NO_STREAM or not refuses_the_form(error):
                    raise
            else:
                return
            self._takes_whole = False
            session = self._start()
        if self._streams:
            try:
                self._stream(upload, session, body)
            except RegistryError as error:
                if error.answer.method != "PATCH" or error.transient or error.answer.status not in _NO_STREAM:
                    raise
                refused = error
            else:
                return
            session = self._start()
            self._put_at_once(upload, session, body, refused)
            self._streams = False
        else:
            self._put_at_once(upload, session, body, None)

    def _stream(self, upload: _Upload, session: UploadSession, body: RequestBody) -> None:
        upload.sessions.append(session)
        with self._bodies, self._sessions.used(session):
            after = self._client.patch(session, body)
            self._sessions.moved(session, after)
            upload.sessions[-1] = session = after
        self._commit(upload, session, None)

    def _put_at_once(
        self, upload: _Upload, session: UploadSession, body: RequestBody, refused: RegistryError | None
    ) -> None:
        upload.sessions.append(session)
        counts = body.size > self._whole or self._one_by_one
        try:
            with self._bodies if counts else contextlib.nullcontext():
                self._commit(upload, session, body)
        except RegistryError as error:
            if refused and not error.transient:
                # Artifactory now and then answers a PATCH 404 and never takes a PUT: then both are worth a new session
                refused.transient = refused.answer.status == 404
                raise refused from error
            raise

    def _commit(self, upload: _Upload, session: UploadSession, body: RequestBody | None) -> None:
        upload.committed = True
        try:
            with self._sessions.used(session):
                self._client.commit(session, upload.blob.digest, body=body)
                self._sessions.committed(session)
        except RegistryError as error:
            if "DIGEST_INVALID" in error.answer.codes:
                _check_local(upload.blob)
            elif body is None or not self._streams or error.answer.status not in _NO_STREAM:
                as_lost_commit(error)
            raise
        upload.sessions.pop()

    def _cancel(self, upload: _Upload) -> None:
        """Cancel the sessions that a failed try left open."""
        while upload.sessions:
            self._cancel_one(upload.sessions.pop())

    def _cancel_one(self, session: UploadSession) -> None:
        self._sessions.cancel(session)

    def _raise_ended(self, error: WireError) -> None:
        """EndedError if the run ends: then there is no other try."""
        if self._sessions.ended:
            raise EndedError from error


def _check_local(blob: Blob) -> None:
    """Raise ResourceError if the local file has changed, so that sending it again is useless."""
    assert blob.open is not None
    with blob.open() as file:
        digest, size = sha256_of(file)
    if digest != blob.digest:
        raise ResourceError(
            f"{blob.name} changed while it was being sent: it is {digest} of {counted(size, 'byte')} now",
            hint="run again, and keep other programs out of the folder for temporary files",
        )
