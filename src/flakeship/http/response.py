"""An answer whose body has not been read yet; reading it is bounded, and its failures are ours."""

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


class Response:
    """`url` is the one that answered after all redirects. Close it, or read it to its end."""

    def __init__(self, method: str, url: str, answer: requests.Response) -> None:
        self.method = method
        self.url = url
        self.status = answer.status_code
        self.headers: Mapping[str, str] = answer.headers
        self._answer = answer

    @property
    def origin(self) -> Origin:
        return Origin.of(self.url)

    def read(self, limit: int = ERROR_LIMIT) -> bytes:
        """At most `limit` bytes of the body; the connection is kept only where that was all of it."""
        with self:
            reader, pieces, left = self.stream(), [], limit
            while left and (
                data := reader.read(left)
            ):  # only an empty read tells an end from a broken connection
                pieces.append(data)
                left -= len(data)
            return b"".join(pieces)

    def stream(self) -> io.RawIOBase:
        """The body as a file, for what may be large; close the response when done."""
        return _Reader(self._answer.raw, self.origin)

    def close(self) -> None:
        """Give the connection back where little is left to read, else end it."""
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
