"""The Authorization header for one registry: chosen by its challenge, and renewed before its token expires."""

from __future__ import annotations

import threading
from typing import Final

from flakeship.http.origin import Origin
from flakeship.http.transport import Transport
from flakeship.registry.challenge import Challenge, parse_challenges, usable_challenge
from flakeship.registry.credentials import Credentials, basic_authorization
from flakeship.registry.errors import DeniedError
from flakeship.registry.tokens import Token, fetch_token

_MARGIN: Final = 60.0
"""Seconds that a token must still be valid to be used for a request."""


class Authorization:
    """The authorization of requests to `origin`, and to no other. Its methods may be called by several threads.

    `scopes` are what a token is asked for, the most important one first.
    """

    def __init__(
        self, transport: Transport, origin: Origin, credentials: Credentials | None, scopes: tuple[str, ...]
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._credentials = credentials
        self._scopes = self._usual_scopes = scopes
        self._challenge: Challenge | None = None
        self._token: Token | None = None
        self._refresh: dict[str, str] = {}
        """The refresh token that each realm gave: another realm that the registry names later must not get it."""
        self._lock = threading.Lock()

    def header(self, *, seconds: float = 0.0) -> str | None:
        """Return the header for a request whose body takes about `seconds` to send, or None if none is needed.

        A token that would expire while the body is sent is renewed first. http.client has no `Expect: 100-continue`, so a
        refusal after the body would cost the whole body. What `fetch_token` raises is raised here too.
        """
        with self._lock:
            if self._challenge is None:
                return None
            if self._credentials and self._credentials.kind == "bearer":
                return f"Bearer {self._credentials.secret}"
            if self._challenge.scheme == "basic":
                return basic_authorization(self._credentials) if self._credentials else None
            if self._token is None or not self._lasts(self._token, seconds):
                self._token = self._fetch(self._challenge)
            return f"Bearer {self._token.value}"

    def learn(self, header: str, *, used: str | None) -> bool:
        """Store the challenge of a 401 to a request that was sent with the header `used`.

        Return whether the request should be sent once more, with a new header.
        """
        challenge = usable_challenge(parse_challenges(header))
        with self._lock:
            # A 401 may come without a challenge, as from GCR: then the one of the first contact counts, see
            # setupRequestAuth in https://github.com/containers/image/blob/main/docker/docker_client.go
            self._challenge = challenge or self._challenge
            if self._challenge is None:
                return False
            if self._challenge.scheme == "basic" or (
                self._credentials and self._credentials.kind == "bearer"
            ):
                return used is None and self._credentials is not None
            wider = self._widen(challenge)
            if self._token and (wider or used == f"Bearer {self._token.value}"):
                self._token = None
            return True

    def _widen(self, challenge: Challenge | None) -> bool:
        """Put the scopes that an `insufficient_scope` names before the others; return whether any is new.

        https://www.rfc-editor.org/rfc/rfc6750#section-3.1
        """
        if not challenge or challenge.parameters.get("error", "") != "insufficient_scope":
            return False
        asked = tuple(challenge.parameters.get("scope", "").split())
        new = tuple(scope for scope in asked if scope not in self._scopes and self._may_ask(scope))
        self._scopes = (*new, *self._scopes)
        return bool(new)

    def _may_ask(self, scope: str) -> bool:
        """A client that reads asks for the right to pull alone, whatever a registry suggests."""
        reads = all(usual.rpartition(":")[2] == "pull" for usual in self._usual_scopes)
        return not reads or scope.rpartition(":")[2] == "pull"

    def _lasts(self, token: Token, seconds: float) -> bool:
        """Tell whether a token stays valid for a request of `seconds`; a short-lived one is used for half of its time."""
        left = token.expires - self._transport.now()
        return left > min(max(_MARGIN, seconds), token.lifetime / 2)

    def _fetch(self, challenge: Challenge) -> Token:
        realm = challenge.parameters["realm"]
        try:
            token = fetch_token(
                self._transport,
                challenge,
                registry=self._origin,
                credentials=self._credentials,
                refresh=self._refresh.get(realm, ""),
                scopes=self._scopes,
            )
        except DeniedError:
            self._scopes = self._usual_scopes  # The server may refuse the added scope only.
            raise
        if token.refresh:
            self._refresh[realm] = token.refresh
        return token
