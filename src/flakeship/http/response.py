"""An answer whose body has not been read yet: a read is limited, and raises a WireError when it fails."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import requests
import urllib3

from flakeship.http.failures import wire_error
from flakeship.http.origin import Origin

ERROR_LIMIT: Final = 64 * 1024
"""Bytes of an error page that are read at most."""


class Response:
    """An answer to one request. `url` is the one that answered after all redirects.

    Close it, or read it to its end: otherwise its connection is not used again.
    """

    def __init__(self, method: str, url: str, answer: requests.Response) -> None:
        self.method = method
        self.url = url
        self.status = answer.status_code
        self.headers: Mapping[str, str] = answer.headers
        self._answer = answer

    @property
    def origin(self) -> Origin:
        """Return the origin that answered, after all redirects."""
        return Origin.of(self.url)

    def read(self, limit: int = ERROR_LIMIT) -> bytes:
        """Return at most `limit` bytes of the body, and close the response. WireError is raised if the connection breaks."""
        with self:
            reader, pieces, left = self.stream(), [], limit
            # Only a read that returns nothing tells the end of the body from a broken connection.
            while left and (data := reader.read(left)):
                pieces.append(data)
                left -= len(data)
            return b"".join(pieces)

    def stream(self) -> io.RawIOBase:
        """Return the body as a file, for a body that may be large. The caller closes the response."""
        return _Reader(self._answer.raw, self.origin)

    def close(self) -> None:
        """Close the response. The connection is used again if at most 64 KiB are left to read."""
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            raw: Any = self._answer.raw
            if (raw.length_remaining or 0) <= ERROR_LIMIT and not raw.closed:
                raw.read(ERROR_LIMIT, decode_content=False)
        self._answer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Reader(io.RawIOBase):
    """A body as a file whose failures are WireErrors."""

    def __init__(self, raw: Any, origin: Origin) -> None:
        self._raw = raw
        self._origin = origin

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        try:
            data = self._raw.read(None if size is None or size < 0 else size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise wire_error(error, self._origin) from error
        assert isinstance(data, bytes)
        return data
