"""The API of the distribution-spec for one repository: one method for each endpoint, without retries.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import RawIOBase
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlencode

from flakeship.errors import RejectedError
from flakeship.http.body import RequestBody
from flakeship.http.errors import BrokenConnectionError, WireError
from flakeship.http.origin import Origin
from flakeship.http.timeouts import STALL_TIMEOUT
from flakeship.http.transport import Transport
from flakeship.image.document import DOCUMENT_LIMIT
from flakeship.image.media_types import DOCKER, OCI
from flakeship.image.model import Digest, digest_of, parse_digest
from flakeship.registry.blob_answer import NO_RANGES, PARTIAL, BlobRange, blob_stream, range_stream
from flakeship.registry.connection import RegistryConnection
from flakeship.registry.credentials import Credentials
from flakeship.registry.errors import DeniedError
from flakeship.registry.list_answer import descriptors_in, next_page, tags_in
from flakeship.registry.manifest_answer import Manifest, manifest_in
from flakeship.registry.reference import api_host
from flakeship.registry.upload_answer import STORED, UploadSession, check_stored, session_in

if TYPE_CHECKING:
    from flakeship.http.response import Response
    from flakeship.http.retry import RetryPolicy

T = TypeVar("T")

FAR: Final = 0.01
"""Seconds of a round trip from which on many requests at once pay: a request costs a millisecond or two of this machine."""

COMMIT_TIMEOUT: Final = 300.0
"""Seconds to wait for the answer to a PUT, which comes when the registry has stored the content.

GHCR takes ten seconds for 700 MB, and refuses the same PUT when it is sent again:
https://github.com/GoogleContainerTools/jib/issues/4301.
"""

CANCEL_TIMEOUT: Final = 5.0
"""Seconds to wait for the answer to the DELETE of an upload session, on which nothing depends."""

_CANCELS: Final = 2
"""Tries of a DELETE whose connection breaks: it may have been an idle one that the server had closed long ago."""

_MOST_PAGES: Final = 100
_MOST_REFERRERS: Final = 10_000

_BINARY: Final = {"Content-Type": "application/octet-stream"}
_ACCEPT_MANIFESTS: Final = {"Accept": f"{OCI.manifest}, {OCI.index}, {DOCKER.manifest}, {DOCKER.index}"}


class RegistryClient:
    """One repository of one registry. Its methods may be called by several threads.

    `registry` is the name in references (`docker.io`). `actions` are the rights that a token is asked for, and `pull_from`
    are other repositories of the same registry whose blobs may be mounted. Unless a method says otherwise it raises
    DeniedError for a 401 or 403, RegistryError for other refusals, and WireError if no answer comes.
    """

    def __init__(
        self,
        transport: Transport,
        registry: str,
        repository: str,
        credentials: Credentials | None,
        *,
        actions: str = "pull,push",
        pull_from: tuple[str, ...] = (),
    ) -> None:
        self.transport = transport
        self.registry = registry
        self.repository = repository
        self.credentials = credentials
        self.pull_from = pull_from
        # A mount needs the right to pull from its source, even of a public repository of Docker Hub:
        # https://github.com/oras-project/rust-oci-client/issues/235
        scopes = (
            f"repository:{repository}:{actions}",
            *(f"repository:{source}:pull" for source in pull_from if source != repository),
        )
        self._connection = RegistryConnection(transport, registry, credentials, scopes)

    @property
    def name(self) -> str:
        """Return the reference without tag and digest, for instance `ghcr.io/owner/name`."""
        return f"{self.registry}/{self.repository}"

    @property
    def is_near(self) -> bool:
        """True if the registry has answered so fast that nothing is gained by asking ahead."""
        return self._connection.round_trip < FAR

    @property
    def is_far(self) -> bool:
        """True if waiting for this registry takes longer than the work of a request."""
        return FAR <= self._connection.round_trip < math.inf

    @property
    def time(self) -> float | None:
        """The seconds since 1970 by the registry's own clock; None if it has not told them."""
        return self._connection.time

    def is_own(self, url: str) -> bool:
        """Tell whether the registry itself is at `url`, and not a storage that it names."""
        return Origin.of(url) == Origin.of(self._url(""))

    def connect_ahead(self, count: int) -> None:
        """Open connections for `count` requests at once, and return without waiting for them.

        Before the first contact they are those for the scheme that is tried first.
        """
        self.transport.connect_ahead(self._connection.likely_base, count)

    def retrying(self, action: Callable[[], T], *, what: str, policy: RetryPolicy | None = None) -> T:
        """Do `action`, which calls methods of this client, again as long as the retry policy allows.

        That is the one of the registry, unless `policy` is given. `what` names the action in the log. The last WireError
        is raised.
        """
        return self.transport.retrying(api_host(self.registry), action, what=what, policy=policy)

    def ping(self) -> None:
        """`GET /v2/`: check that the registry accepts the credentials, as far as it tells.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#determining-support
        """
        self._connection.ping()

    def head_blob(self, digest: Digest) -> int | None:
        """`HEAD blobs/<digest>`: return the size in bytes, -1 if the registry does not tell it, None without the blob.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#checking-if-content-exists-in-the-registry
        """
        with self._head(f"blobs/{digest}") as response:
            if response.status == 404:
                return None
            return -1 if response.size is None else response.size

    @contextmanager
    def get_blob(self, digest: Digest, *, start: int = 0) -> Iterator[RawIOBase]:
        """`GET blobs/<digest>`: yield a stream of the bytes from `start` on. The caller checks the digest.

        A registry that takes no ranges sends all, of which the beginning is dropped.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-blobs
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._connection.send(
            "GET", self._url(f"blobs/{digest}"), headers=headers, expect=(200, PARTIAL) if start else (200,)
        ) as response:
            yield blob_stream(response, digest, start=start)

    @contextmanager
    def get_blob_range(
        self, digest: Digest, start: int, length: int, *, url: str = "", patience: float = STALL_TIMEOUT
    ) -> Iterator[BlobRange]:
        """`GET blobs/<digest>` with a single range: `length` bytes from `start` on, which the blob must have.

        `url` is where an earlier answer came from: it is asked in place of the registry, which would redirect there
        again. `patience` are the seconds for the head of the answer, and for each piece of its body. RegistryError for a
        404, and DeniedError also where `url` is not valid any more.
        """
        target = self.transport.named(self._url(""), url) if url else self._url(f"blobs/{digest}")
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        with self._connection.send(
            "GET", target, headers=headers, expect=(200, PARTIAL, *NO_RANGES), timeout=patience
        ) as response:
            partial = response.status == PARTIAL
            stream = range_stream(response, start, length, patience=patience) if partial else None
            yield BlobRange(stream, response.url)

    def mount(self, digest: Digest, source: str) -> UploadSession | None:
        """`POST blobs/uploads/?mount=<digest>&from=<source>`: take a blob over from another repository.

        Return None if the repository has the blob now, else the upload session that the registry opened instead.
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#mounting-a-blob-from-another-repository
        """
        query = urlencode({"mount": digest, "from": source})
        url = self._url(f"blobs/uploads/?{query}")
        response = self._connection.send("POST", url, body=b"", expect=(201, 202))
        return None if response.status == 201 else session_in(response, self.transport)

    def start_upload(self) -> UploadSession:
        """`POST blobs/uploads/`: open an upload session.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#post-then-put
        """
        url = self._url("blobs/uploads/")
        response = self._connection.send("POST", url, body=b"", expect=(200, 202, 204))
        return session_in(response, self.transport)

    def patch(self, session: UploadSession, body: RequestBody) -> UploadSession:
        """`PATCH <location>`: send the whole blob in one request, and return the session that `commit` ends.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks
        """
        # docker sends no Content-Range either. With one, GHCR limits a chunk to 4 MiB
        # (https://github.com/oras-project/rust-oci-client/issues/35) and ECR's `Range` does not advance
        # (https://github.com/aws/containers-roadmap/issues/2831). ECR answers 201 where the spec has 202.
        response = self._connection.send(
            "PATCH", session.location, headers=_BINARY, body=body, expect=(201, 202, 204)
        )
        return session_in(response, self.transport, default=session.location)

    def commit(self, session: UploadSession, digest: Digest, *, body: RequestBody | None = None) -> None:
        """`PUT <location>?digest=<digest>`: end an upload session, with the whole blob in `body` after no `patch`.

        RejectedError is raised if the registry says that it stored another digest.
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#post-then-put
        """
        # The query of a location may hold the state of the session: it is kept as it is, and added to.
        separator = "&" if "?" in session.location else "?"
        url = f"{session.location}{separator}digest={quote(digest, safe='')}"
        response = self._connection.send(
            "PUT", url, headers=_BINARY, body=body or b"", expect=STORED, timeout=COMMIT_TIMEOUT
        )
        check_stored(response, digest, self.name)

    def cancel(self, session: UploadSession) -> None:
        """`DELETE <location>`: end an upload session without a blob. Failures are ignored.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#cancel-a-blob-upload
        """
        for _ in range(_CANCELS):
            try:
                self._connection.send(
                    "DELETE", session.location, expect=range(200, 600), timeout=CANCEL_TIMEOUT
                ).close()
            except BrokenConnectionError:
                continue
            except (WireError, DeniedError):
                return
            return

    def head_manifest(self, reference: str) -> Digest | None:
        """`HEAD manifests/<reference>`: return the digest behind a tag or a digest, or None without a manifest.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#checking-if-content-exists-in-the-registry
        """
        with self._head(_manifest(reference), headers=_ACCEPT_MANIFESTS) as response:
            if response.status == 404:
                return None
            try:
                return parse_digest(response.headers.get("Docker-Content-Digest"))
            except ValueError:
                pass  # The header is optional: the digest is computed from the manifest instead.
        manifest = self.get_manifest(reference)
        return manifest.digest if manifest else None

    def get_manifest(self, reference: str) -> Manifest | None:
        """`GET manifests/<reference>`: return a manifest or an index of OCI's or Docker's types, or None without one.

        WireError is raised for one of more than 4 MiB, the limit that the distribution-spec suggests:
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
        """
        url = self._url(_manifest(reference))
        response = self._connection.send("GET", url, headers=_ACCEPT_MANIFESTS, expect=(200, 404))
        if response.status == 404:
            response.close()
            return None
        return manifest_in(response, reference, self.name)

    def put_manifest(self, reference: str, data: bytes, *, media_type: str) -> None:
        """`PUT manifests/<reference>`: store exactly these bytes under a tag or under their digest.

        RejectedError is raised if the registry says that it stored another digest.
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
        """
        headers = {"Content-Type": media_type}
        response = self._connection.send(
            "PUT",
            self._url(_manifest(reference)),
            headers=headers,
            body=data,
            expect=STORED,
            timeout=COMMIT_TIMEOUT,
        )
        by_digest = ":" in reference  # then it has no name yet
        after = "no tag was set" if by_digest else f"the tag {reference} may name what it stored"
        check_stored(response, digest_of(data), self.name, after=after)

    def delete_manifest(self, reference: str) -> bool:
        """`DELETE manifests/<reference>`: remove a tag, or a manifest with all of its tags; False without it.

        The right `delete` must be among the `actions` of the client.
        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#content-management
        """
        url = self._url(_manifest(reference))
        with self._connection.send("DELETE", url, expect=(200, 202, 204, 404)) as response:
            return response.status != 404

    def tags(self) -> list[str]:
        """`GET tags/list`, page by page: return all tags, none without the repository.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-tags
        """
        return self._pages("tags/list", tags_in, expect=(200, 404)) or []

    def referrers(self, digest: Digest, *, whole: bool = False) -> list[dict[str, Any]] | None:
        """`GET referrers/<digest>`, page by page: return the descriptors that the registry lists, None if it has no such API.

        A list that does not end is cut; with `whole` it is RejectedError.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
        """
        endless = f"the list of what is attached to {self.name}@{digest}" if whole else ""
        return self._pages(
            f"referrers/{digest}",
            descriptors_in,
            headers={"Accept": OCI.index},
            most=_MOST_REFERRERS,
            endless=endless,
        )

    def _pages(
        self,
        path: str,
        read: Callable[[bytes], list[T] | None],
        *,
        headers: Mapping[str, str] | None = None,
        expect: tuple[int, ...] = (200,),
        most: float = math.inf,
        endless: str = "",
    ) -> list[T] | None:
        """Return the entries of all pages of a list, up to a page that is answered 404; None if `read` takes one for no list. After so many pages, or `most`
        entries, it is cut; where it has a name in `endless`, RejectedError is raised for that.
        """
        found: list[T] = []
        url = self._url(path)
        for _ in range(_MOST_PAGES):
            with self._connection.send("GET", url, headers=headers, expect=expect) as response:
                if response.status == 404:
                    return found
                listed = read(response.read(DOCUMENT_LIMIT + 1))
                if listed is None:
                    return None
                found += listed
                following = next_page(response)
                if not following or not listed:
                    return found
                if len(found) > most:
                    break
                url = self.transport.named(response.url, following)
        if endless:
            raise RejectedError(
                f"{endless} does not end: {len(found)} entries were read, and there are more",
                hint="remove what is attached to it and nobody needs, and find out who attached it",
            )
        return found

    def _url(self, path: str) -> str:
        return self._connection.url(f"{self.repository}/{path}")

    def _head(self, path: str, *, headers: Mapping[str, str] | None = None) -> Response:
        """Send a HEAD, and a GET if that is refused. The status is 200 or 404."""
        url = self._url(path)
        response = self._connection.send("HEAD", url, headers=headers, expect=(200, 401, 403, 404, 405))
        if response.status in (200, 404):
            return response
        # The answer to a HEAD has no body that would tell the reason, and some registries have no HEAD at all.
        response.close()
        return self._connection.send("GET", url, headers=headers, expect=(200, 404))


def _manifest(reference: str) -> str:
    return f"manifests/{quote(reference, safe=':')}"
