"""The Authorization header of one registry: learned from its challenge, renewed before it runs out, replayed once."""

from __future__ import annotations

import threading
from typing import Final

from flakeship.http.origin import Origin
from flakeship.http.transport import Transport
from flakeship.registry.challenge import Challenge, parse_challenges, usable_challenge
from flakeship.registry.credentials import Credentials
from flakeship.registry.errors import DeniedError
from flakeship.registry.tokens import Token, basic_authorization, fetch_token

_MARGIN: Final = 60.0


class Authorization:
    """For requests to `origin` alone; `scopes` in the order of importance, for some registries read the first only."""

    def __init__(
        self, transport: Transport, origin: Origin, credentials: Credentials | None, scopes: tuple[str, ...]
    ) -> None:
        self._transport = transport
        self._origin = origin
        self._credentials = credentials
        self._scopes = self._usual_scopes = scopes
        self._challenge: Challenge | None = None
        self._token: Token | None = None
        self._refresh = ""
        self._lock = threading.Lock()

    def header(self, *, seconds: float = 0.0) -> str | None:
        """What to send with a request whose body takes about `seconds`; None where nothing is asked for.

        There is no `Expect: 100-continue` here: a token that runs out on the way costs the whole body.
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
        """Take in the challenge of a 401 to a request that carried `used`; whether another try makes sense."""
        challenge = usable_challenge(parse_challenges(header))
        with self._lock:
            known = self._challenge
            self._challenge = challenge or known
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
        """Add the scope that an `insufficient_scope` names, in front."""
        if not challenge or challenge.parameters.get("error", "") != "insufficient_scope":
            return False
        asked = tuple(challenge.parameters.get("scope", "").split())
        new = tuple(scope for scope in asked if scope not in self._scopes)
        self._scopes = (*new, *self._scopes)
        return bool(new)

    def _lasts(self, token: Token, seconds: float) -> bool:
        left = token.expires - self._transport.now()
        return left > min(max(_MARGIN, seconds), token.lifetime / 2)

    def _fetch(self, challenge: Challenge) -> Token:
        try:
            token = fetch_token(
                self._transport,
                challenge,
                registry=self._origin,
                credentials=self._credentials,
                refresh=self._refresh,
                scopes=self._scopes,
            )
        except DeniedError:
            self._scopes = self._usual_scopes  # what was refused may be the wider scope alone
            raise
        self._refresh = token.refresh or self._refresh
        return token
