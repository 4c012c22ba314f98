"""Requests to one registry: the scheme, the Authorization header, one more try after a 401, and warnings.

It knows no endpoints but `GET /v2/`, with which a first contact begins.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from flakeship.events import Notice
from flakeship.http.body import RequestBody
from flakeship.http.errors import (
    CertificateError,
    NoAuthoritiesError,
    UnknownHostError,
    UnsafeUrlError,
    WireError,
)
from flakeship.http.origin import Origin
from flakeship.http.retry_after import date_of
from flakeship.http.timeouts import STALL_TIMEOUT
from flakeship.http.transport import Transport
from flakeship.printable import one_line
from flakeship.registry.authorization import Authorization
from flakeship.registry.credentials import Credentials
from flakeship.registry.errors import TRANSIENT, error_for
from flakeship.registry.reference import api_host

if TYPE_CHECKING:
    from flakeship.http.response import Response

_UPLOAD_SPEED: Final = 2_000_000.0
"""The bytes a second that an upload is expected to reach, to estimate how long its token must be valid."""

# Some registries do not serve /v2/ to everybody although all paths below it work. The next request tells the reason.
_SAYS_LITTLE: Final = frozenset({*range(200, 300), *range(400, 500), 501}) - TRANSIENT - {401}

# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#warnings
_MOST_WARNINGS: Final = 20
"""Different ones that are passed on. A head has room for thousands, and each answer could bring others."""

_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\\x00-\x1f\x7f]|\\.)*)"')


class RegistryConnection:
    """The connection of one client to a registry. Its methods may be called by several threads.

    `scopes` are what a token is asked for, the most important one first (`repository:owner/name:pull,push`).
    """

    def __init__(
        self, transport: Transport, registry: str, credentials: Credentials | None, scopes: tuple[str, ...]
    ) -> None:
        self._transport = transport
        self._registry = registry
        self._credentials = credentials
        self._scopes = scopes
        self._lock = threading.Lock()
        self._contacted: tuple[str, Authorization] | None = None
        self._accepted = False
        self._round_trip = math.inf
        self._dated = ("", 0.0)
        self._warnings: set[str] = set()

    @property
    def round_trip(self) -> float:
        """The shortest wait for an answer to a request without a body so far, in seconds; infinite before the first."""
        return self._round_trip

    @property
    def time(self) -> float | None:
        """The seconds since 1970 by the registry's own clock, as its last answer had them; None where none has."""
        text, at = self._dated
        date = date_of(text) if text else None
        return date.timestamp() + self._transport.now() - at if date else None

    @property
    def likely_base(self) -> str:
        """The origin of the registry as a URL, without asking whether it is there by that scheme."""
        host = api_host(self._registry)
        return self._contacted[0] if self._contacted else f"{self._transport.schemes(host)[0]}://{host}"

    def url(self, path: str) -> str:
        """Return the URL of a path below `/v2/`. The first call contacts the registry and raises what `send` raises."""
        return f"{self._contact()[0]}/v2/{path}"

    def ping(self) -> None:
        """Send `GET /v2/`, with credentials if the registry asks for them. Its answer is a hint: 401 is an error alone.

        https://github.com/opencontainers/distribution-spec/blob/main/spec.md#determining-support
        """
        url = self.url("")
        if not self._accepted:  # otherwise the first contact was this very request
            self.send("GET", url, expect=_SAYS_LITTLE).close()

    def send(
        self,
        method: str,
        url: str,
        *,
        expect: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: RequestBody | bytes | None = None,
        timeout: float = STALL_TIMEOUT,
    ) -> Response:
        """Send a request, and once more after a 401 with a challenge that can be answered.

        Credentials are sent to the origin of the registry only. DeniedError is raised for a 401 or 403, and RegistryError
        for any other status that is not in `expect`.
        """
        base, authorization = self._contact()
        is_registry = Origin.of(url) == Origin.of(base)
        seconds = body.size / _UPLOAD_SPEED if isinstance(body, RequestBody) else 0.0

        def exchange(used: str | None) -> Response:
            carried = {**(headers or {}), **({"Authorization": used} if used else {})}
            asked = self._transport.now()
            response = self._transport.exchange(method, url, headers=carried, body=body, timeout=timeout)
            if not body:
                self._round_trip = min(self._round_trip, self._transport.now() - asked)
            self._report_warnings(response)
            if is_registry and response.origin == Origin.of(base) and "Age" not in response.headers:
                self._dated = response.headers.get("Date", ""), self._transport.now()
            return response

        response = exchange(used := authorization.header(seconds=seconds) if is_registry else None)
        if response.status == 401 and is_registry and response.origin == Origin.of(base):
            challenge = response.headers.get("WWW-Authenticate", "")
            if authorization.learn(challenge, used=used):
                response.close()
                response = exchange(authorization.header(seconds=seconds))
        if response.status not in expect:
            raise error_for(response)
        return response

    def _contact(self) -> tuple[str, Authorization]:
        """Return the base URL and the authorization. A first contact that failed is tried again by the next call."""
        with self._lock:
            if self._contacted is None:
                self._contacted = self._first_contact()
            return self._contacted

    def _first_contact(self) -> tuple[str, Authorization]:
        host = api_host(self._registry)
        *others, last = self._transport.schemes(host)
        unverified: NoAuthoritiesError | None = None
        for scheme in (*others, last):
            base = f"{scheme}://{host}"
            try:
                response = self._transport.exchange("GET", f"{base}/v2/", headers={})
            except (CertificateError, UnknownHostError, UnsafeUrlError):
                raise
            except NoAuthoritiesError as error:  # on this machine it may be a registry without TLS
                if scheme == last:
                    raise
                unverified = error
                continue
            except WireError as error:
                if scheme != last:
                    continue
                if unverified:
                    raise unverified from error
                raise
            authorization = Authorization(self._transport, Origin.of(base), self._credentials, self._scopes)
            if response.status == 401:
                authorization.learn(response.headers.get("WWW-Authenticate", ""), used=None)
            elif response.status not in _SAYS_LITTLE:
                raise error_for(response)
            response.close()
            self._accepted = response.status == 200
            return base, authorization
        raise AssertionError

    def _report_warnings(self, response: Response) -> None:
        """Emit each warning of the registry once, up to _MOST_WARNINGS."""
        for text in _WARNING.findall(response.headers.get("Warning", "")):
            if text not in self._warnings and len(self._warnings) < _MOST_WARNINGS:
                self._warnings.add(text)
                self._transport.emit(Notice(f"{self._registry} says: {one_line(text)}"))
