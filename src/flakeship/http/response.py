"""An answer whose body has not been read yet: a read is limited, and raises a WireError when it fails."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import requests
import urllib3

from flakeship.http.coding import coding_of, decoded
from flakeship.http.failures import wire_error
from flakeship.http.origin import Origin
from flakeship.http.timeouts import DRAIN_TIMEOUT, STALL_TIMEOUT
from flakeship.http.wire import Answer

ERROR_LIMIT: Final = 64 * 1024
"""Bytes of an error page that are read at most."""

_SLOWEST: Final = 10_000
"""Bytes a second of the slowest line that there is time for."""

_LONGEST_SIZE: Final = 18
"""Digits of a size in bytes. Python reads no number of more than 4300, and no storage is that large."""


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

    @property
    def coding(self) -> str:
        """Return the Content-Encoding of the body in lower case, empty for none: it was not asked for."""
        return coding_of(self.headers.get("Content-Encoding", ""))

    @property
    def is_delimited(self) -> bool:
        """Tell whether the head says where the body ends. Otherwise the connection ends it, and nobody sees a cut."""
        return "Content-Length" in self.headers or "Transfer-Encoding" in self.headers

    @property
    def size(self) -> int | None:
        """Return the size of what was asked for, in bytes; None where the server does not tell it, or not as a number."""
        text = self.headers.get("Content-Length", "")
        known = not self.coding and text.isascii() and text.isdigit() and len(text) <= _LONGEST_SIZE
        return int(text) if known else None

    def read(self, limit: int = ERROR_LIMIT, *, seconds: float | None = None) -> bytes:
        """Return at most `limit` bytes of the body without its Content-Encoding, and close the response.

        All of it comes within `seconds` of waiting, usually a minute and what `limit` takes at 10 kB/s. WireError is
        raised if it does not, or the connection breaks.
        """
        with self:
            self._patience(STALL_TIMEOUT + limit / _SLOWEST if seconds is None else seconds)
            reader, pieces, left = decoded(self.stream(), self.coding, self.origin), list[bytes](), limit
            # Only a read that returns nothing tells the end of the body from a broken connection.
            while left and (data := reader.read(left)):
                pieces.append(data)
                left -= len(data)
            return b"".join(pieces)

    def stream(self, *, stall: float = STALL_TIMEOUT) -> io.RawIOBase:
        """Return the body as it comes, for a body that may be large. The caller closes the response.

        Its server has `stall` seconds for each 64 KiB.
        """
        if stall != STALL_TIMEOUT:
            self._patience(stall, renews=True)
        return _Reader(self._answer.raw, self.origin)

    def _patience(self, seconds: float, *, renews: bool = False) -> None:
        # requests too finds the answer of http.client by this name; it is gone when all of it was read
        answer = getattr(self._answer.raw, "_original_response", None)
        if isinstance(answer, Answer):
            answer.patience(seconds, renews=renews)

    def close(self) -> None:
        """Close the response. The connection is used again if at most 64 KiB are left to read, and come at once."""
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            self._patience(DRAIN_TIMEOUT)
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
