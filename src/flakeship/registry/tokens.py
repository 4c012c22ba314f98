"""The requests to a token server: GET with Basic, or the POST of OAuth 2 with an identity token.

https://distribution.github.io/distribution/spec/auth/token/
https://distribution.github.io/distribution/spec/auth/oauth/
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from flakeship.events import Secret
from flakeship.http.errors import WireError
from flakeship.http.origin import Origin
from flakeship.http.transport import Transport
from flakeship.registry.challenge import Challenge
from flakeship.registry.credentials import Credentials, basic_authorization
from flakeship.registry.errors import error_for

if TYPE_CHECKING:
    from flakeship.http.response import Response

_MIN_LIFETIME: Final = 60.0
"""Seconds that a token is valid if the server does not tell: https://distribution.github.io/distribution/spec/auth/token/."""
_MAX_LIFETIME: Final = 10.0**9
"""Seconds. A number above it is no time that anyone meant."""
_LONGEST_LIFETIME: Final = 9
"""Digits of a lifetime that is written as a text."""

_NO_OAUTH2: Final = frozenset({400, 401, 404, 405})
"""The answers to the POST from servers without OAuth 2: ACR 400, Artifactory 401, GCR 404.

https://github.com/containerd/containerd/blob/main/core/remotes/docker/authorizer.go
"""


@dataclass(frozen=True, slots=True)
class Token:
    """A Bearer token. `lifetime` is in seconds, and `expires` is a time of `Transport.now`.

    It is counted from the arrival of the answer, because the clock of the server may be wrong. `refresh` is a refresh
    token for the next request, or empty.
    """

    value: str
    lifetime: float
    expires: float
    scopes: tuple[str, ...]
    refresh: str = ""

    def __repr__(self) -> str:
        return f"Token(lifetime={self.lifetime}, expires={self.expires}, scopes={self.scopes})"


def fetch_token(
    transport: Transport,
    challenge: Challenge,
    *,
    registry: Origin,
    credentials: Credentials | None,
    refresh: str,
    scopes: tuple[str, ...],
) -> Token:
    """Return a token for `scopes`, the most important one first.

    Some registries read the first one only: see scopesForUploadingImage in
    https://github.com/google/go-containerregistry/blob/main/pkg/v1/remote/write.go.

    `registry` is the origin that sent `challenge`, and `refresh` is a refresh token from an earlier answer, or empty.
    DeniedError or WireError is raised if the server gives no token, and UnsafeUrlError if its URL is not safe.
    """
    realm = transport.realm(registry, challenge.parameters["realm"])
    service = challenge.parameters.get("service", "")
    if refresh or (credentials and credentials.kind == "identity"):
        response = _post(
            transport, realm, service, scopes, refresh or (credentials.secret if credentials else "")
        )
        if response.status == 200:
            return _token(transport, response, scopes)
        if response.status not in _NO_OAUTH2:
            raise error_for(response)
        response.close()
    response = _get(transport, realm, service, scopes, credentials)
    if response.status != 200:
        raise error_for(response)
    return _token(transport, response, scopes)


def _get(
    transport: Transport, realm: str, service: str, scopes: tuple[str, ...], credentials: Credentials | None
) -> Response:
    query = [("service", service)] if service else []
    if credentials and credentials.username:
        query.append(("account", credentials.username))
    query += [("scope", scope) for scope in scopes]
    url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query, errors='surrogateescape')}"
    return transport.exchange(
        "GET", url, headers={"Authorization": basic_authorization(credentials)} if credentials else {}
    )


def _post(
    transport: Transport, realm: str, service: str, scopes: tuple[str, ...], refresh_token: str
) -> Response:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "service": service,
        "scope": " ".join(scopes),
        "client_id": "flakeship",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(form, errors="surrogateescape").encode()
    return transport.exchange("POST", realm, headers=headers, body=body, secret_body=True)


def _seconds(said: Any) -> float:
    """Return a lifetime in seconds, also one that is written as a text; 0 for what is no time that anyone meant."""
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) <= _LONGEST_LIFETIME:
        said = int(said)
    return float(said) if isinstance(said, int | float) and 0 < said < _MAX_LIFETIME else 0.0


def _token(transport: Transport, response: Response, scopes: tuple[str, ...]) -> Token:
    origin = response.origin
    try:
        document: Any = json.loads(response.read())
    except (ValueError, RecursionError):
        document = None
    value = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise WireError(f"the token server {origin} answered with no token")
    seconds = max(_MIN_LIFETIME, _seconds(document.get("expires_in")))
    given = document.get("refresh_token")
    refresh = given if isinstance(given, str) and given.isascii() and given.isprintable() else ""
    for secret in filter(None, (value, refresh)):
        transport.emit(Secret(secret))
    return Token(value, seconds, transport.now() + seconds, scopes, refresh)
