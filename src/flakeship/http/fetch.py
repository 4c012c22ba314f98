"""One small document by GET, within a time: for questions to servers that are no registries."""

from __future__ import annotations

from typing import Final

from flakeship.http.transport import Transport

_LIMIT: Final = 1024 * 1024


class Fetcher:
    """A `flakeship.caches.plan.Fetch`. Raises errors.Error, or ValueError with the status for anything but 200."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(self, url: str, seconds: float, /, *, token: str = "") -> bytes:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = self._transport.exchange("GET", url, headers=headers, timeout=seconds)
        if response.status != 200:
            response.close()
            raise ValueError(f"it answers {response.status}")
        return response.read(_LIMIT)
