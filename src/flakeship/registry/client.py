"""The distribution API, one method for each endpoint: no retry, no order, no policy.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, urlencode

from flakeship.events import Notice
from flakeship.http.body import RequestBody
from flakeship.http.errors import CertificateError, UnknownHostError, WireError
from flakeship.http.origin import Origin, next_url
from flakeship.http.transport import Transport
from flakeship.image.document import DOCUMENT_LIMIT
from flakeship.image.media_types import DOCKER, OCI
from flakeship.image.model import Digest, digest_of, parse_digest
from flakeship.printable import one_line
from flakeship.registry.authorization import Authorization
from flakeship.registry.credentials import Credentials
from flakeship.registry.errors import DeniedError, error_for
from flakeship.registry.reference import api_host

if TYPE_CHECKING:
    from flakeship.http.response import Response

T = TypeVar("T")

COMMIT_TIMEOUT: Final = 300.0
"""Seconds: GHCR takes ten to commit 700 MB, and a commit that is asked for twice fails."""

MANIFEST_TYPES: Final = (OCI.manifest, OCI.index, DOCKER.manifest, DOCKER.index)
_PING_SAYS_LITTLE: Final = frozenset({200, 403, 404, 405})
"""Some keep their /v2/ to themselves; what follows it tells more."""
_SLOW_LINE: Final = 2_000_000.0
"""Bytes a second that an upload is taken to make at least, to judge how long its token must last."""
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\\x00-\x1f\x7f]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class UploadSession:
    """An upload session: where it goes on."""

    location: str


@dataclass(frozen=True, slots=True)
class Manifest:
    media_type: str
    data: bytes
    digest: Digest


class RegistryClient:
    """One repository of one registry. Safe for threads; finds out scheme and challenge by the first request.

    `pull_from` are other repositories of the same registry whose blobs may be mounted.
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
        self._scopes = (
            f"repository:{repository}:{actions}",
            *(f"repository:{source}:pull" for source in pull_from if source != repository),
        )
        self._lock = threading.Lock()
        self._home: tuple[str, Authorization] | None = None
        self._open = False
        """Whether the first contact was answered as `ping` wants it, without being asked for credentials."""
        self._warnings: set[str] = set()

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"

    def retrying(self, action: Callable[[], T], *, what: str) -> T:
        """Do `action`, some calls of these methods, again for as long as the retry policy of the registry allows."""
        return self.transport.retrying(api_host(self.registry), action, what=what)

    def ping(self) -> None:
        """`GET /v2/`, with credentials where they are asked for. DeniedError, WireError."""
        home, _ = self._connected()
        if not self._open:
            self._send("GET", f"{home}/v2/", expect=(200,)).close()

    def head_blob(self, digest: Digest) -> int | None:
        """Its size in bytes as the registry says, -1 where it does not say; None where there is none."""
        with self._look(f"blobs/{digest}") as response:
            if response.status == 404:
                return None
            length = response.headers.get("Content-Length", "")
            return int(length) if length.isdigit() else -1

    @contextmanager
    def get_blob(self, digest: Digest, *, start: int = 0) -> Iterator[RawIOBase]:
        """Its bytes from `start` on, as they come. The caller checks the digest."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._send(
            "GET", self._url(f"blobs/{digest}"), headers=headers, expect=(206 if start else 200,)
        ) as response:
            yield response.stream()

    def mount(self, digest: Digest, source: str) -> UploadSession | None:
        """Ask for a blob of the repository `source`: None when it is here now, else a session like any other."""
        query = urlencode({"mount": digest, "from": source})
        response = self._send("POST", self._url(f"blobs/uploads/?{query}"), body=b"", expect=(201, 202))
        return None if response.status == 201 else self._session(response)

    def start_upload(self) -> UploadSession:
        return self._session(
            self._send("POST", self._url("blobs/uploads/"), body=b"", expect=(200, 202, 204))
        )

    def patch(self, upload: UploadSession, body: RequestBody) -> UploadSession:
        """Send the whole blob in one piece; Content-Length is set and Content-Range is not, as docker does."""
        response = self._send("PATCH", upload.location, headers=_BYTES, body=body, expect=(201, 202, 204))
        return self._session(response, missing=upload.location)

    def commit(self, upload: UploadSession, digest: Digest, *, body: RequestBody | None = None) -> None:
        """Finish a session, with all of the blob in `body` where nothing was sent before."""
        separator = "&" if "?" in upload.location else "?"
        url = f"{upload.location}{separator}digest={quote(digest, safe='')}"
        response = self._send(
            "PUT", url, headers=_BYTES, body=body or b"", expect=(200, 201, 202, 204), timeout=COMMIT_TIMEOUT
        )
        response.close()
        _same_digest(response, digest, self.name)

    def cancel(self, upload: UploadSession) -> None:
        """Best effort: nothing depends on it, and some registries know no such thing."""
        try:
            self._send("DELETE", upload.location, expect=range(200, 600), timeout=5.0).close()
        except (WireError, DeniedError):
            return

    def head_manifest(self, reference: str) -> Digest | None:
        """The digest of a tag's manifest, or of one by digest; None where there is none."""
        with self._look(f"manifests/{quote(reference, safe=':')}", headers=_ACCEPT) as response:
            if response.status == 404:
                return None
            try:
                return parse_digest(response.headers.get("Docker-Content-Digest"))
            except ValueError:
                pass
        manifest = self.get_manifest(reference)
        return manifest.digest if manifest else None

    def get_manifest(self, reference: str) -> Manifest | None:
        """A manifest or an index of either family, at most 4 MiB; None where there is none."""
        url = self._url(f"manifests/{quote(reference, safe=':')}")
        response = self._send("GET", url, headers=_ACCEPT, expect=(200, 404))
        if response.status == 404:
            response.close()
            return None
        data = response.read(DOCUMENT_LIMIT + 1)
        if len(data) > DOCUMENT_LIMIT:
            raise WireError(f"the manifest {reference} of {self.name} is larger than 4 MiB", transient=False)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        return Manifest(media_type, data, digest_of(data))

    def put_manifest(self, reference: str, data: bytes, *, media_type: str) -> None:
        """Under a tag or its digest. The bytes are kept exactly as they are."""
        url = self._url(f"manifests/{quote(reference, safe=':')}")
        headers = {"Content-Type": media_type}
        response = self._send(
            "PUT", url, headers=headers, body=data, expect=(200, 201, 202, 204), timeout=COMMIT_TIMEOUT
        )
        response.close()
        _same_digest(response, digest_of(data), self.name)

    def _url(self, path: str) -> str:
        return f"{self._connected()[0]}/v2/{self.repository}/{path}"

    def _session(self, response: Response, *, missing: str = "") -> UploadSession:
        """A 2xx without Location is a health page or a proxy: worth another try (kubevirt/kubevirt#16844)."""
        response.close()
        location = response.headers.get("Location")
        if location is None and missing:
            return UploadSession(missing)
        if not location:
            raise WireError(f"{response.origin} answered {response.status} to an upload, without a Location")
        return UploadSession(next_url(response.url, location))

    def _look(self, path: str, *, headers: Mapping[str, str] | None = None) -> Response:
        """HEAD; a refusal of it has no body, and some know no HEAD, so then GET says why or how it is."""
        url = self._url(path)
        response = self._send("HEAD", url, headers=headers, expect=(200, 401, 403, 404, 405))
        if response.status in (200, 404):
            return response
        response.close()
        return self._send("GET", url, headers=headers, expect=(200, 404))

    def _send(
        self,
        method: str,
        url: str,
        *,
        expect: tuple[int, ...] | range,
        headers: Mapping[str, str] | None = None,
        body: RequestBody | bytes | None = None,
        timeout: float = 60.0,
    ) -> Response:
        """One request, and once more after a 401 that can be answered; our credentials go to our registry alone."""
        home, authorization = self._connected()
        at_home = Origin.of(url) == Origin.of(home)
        seconds = body.size / _SLOW_LINE if isinstance(body, RequestBody) else 0.0

        def exchange(used: str | None) -> Response:
            carried = {**(headers or {}), **({"Authorization": used} if used else {})}
            response = self.transport.exchange(method, url, headers=carried, body=body, timeout=timeout)
            self._pass_on_warnings(response)
            return response

        response = exchange(used := authorization.header(seconds=seconds) if at_home else None)
        if response.status == 401 and at_home and response.origin == Origin.of(home):
            challenge = response.headers.get("WWW-Authenticate", "")
            if authorization.learn(challenge, used=used):
                response.close()
                response = exchange(authorization.header(seconds=seconds))
        if response.status not in expect:
            raise error_for(response)
        return response

    def _connected(self) -> tuple[str, Authorization]:
        """Base URL and authorization; a first contact that failed is not remembered."""
        with self._lock:
            if self._home is None:
                self._home = self._connect()
            return self._home

    def _connect(self) -> tuple[str, Authorization]:
        host = api_host(self.registry)
        *others, last = self.transport.schemes(host)
        for scheme in (*others, last):
            base = f"{scheme}://{host}"
            try:
                response = self.transport.exchange("GET", f"{base}/v2/", headers={})
            except (CertificateError, UnknownHostError):
                raise
            except WireError:
                if scheme == last:
                    raise
                continue
            authorization = Authorization(self.transport, Origin.of(base), self.credentials, self._scopes)
            if response.status == 401:
                authorization.learn(response.headers.get("WWW-Authenticate", ""), used=None)
            elif response.status not in _PING_SAYS_LITTLE:
                raise error_for(response)
            response.close()
            self._open = response.status == 200
            return base, authorization
        raise AssertionError

    def _pass_on_warnings(self, response: Response) -> None:
        for text in _WARNING.findall(response.headers.get("Warning", "")):
            if text not in self._warnings:
                self._warnings.add(text)
                self.transport.emit(Notice(f"{self.registry} says: {one_line(text)}"))


_BYTES: Final = {"Content-Type": "application/octet-stream"}
_ACCEPT: Final = {"Accept": ", ".join(MANIFEST_TYPES)}


def _same_digest(response: Response, digest: Digest, name: str) -> None:
    """RejectedError where the registry says that it stored something else."""
    from flakeship.errors import RejectedError

    said = response.headers.get("Docker-Content-Digest")
    if said and said != digest:
        raise RejectedError(
            f"{name} stored {one_line(said, 100)} when it was sent {digest}",
            hint="The registry, or something between, changes what passes through; nothing was tagged.",
        )
