"""One small document by GET within a time limit, from a server that is not a registry."""

from __future__ import annotations

from typing import Final

from flakeship.http.timeouts import STALL_TIMEOUT
from flakeship.http.transport import Transport

_LIMIT: Final = 1024 * 1024


class Fetcher:
    """A `flakeship.caches.plan.FetchDocument`: a callable that gets a document."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(self, url: str, seconds: float, /, *, token: str = "") -> bytes:
        """Return at most 1 MiB of the document at `url`, sent with a Bearer token if one is given.

        The head of the answer must come within `seconds`, its body within a minute. errors.Error is raised if no
        answer comes, and ValueError, with the status in its message, for any status but 200.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = self._transport.exchange("GET", url, headers=headers, timeout=seconds)
        if response.status != 200:
            response.close()
            raise ValueError(f"it answers {response.status}")
        return response.read(_LIMIT, seconds=STALL_TIMEOUT)
