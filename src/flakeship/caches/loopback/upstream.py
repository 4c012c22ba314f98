"""One question to another cache within limits, and what its answer means."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from flakeship.caches.loopback.credentials import HostCredentials
from flakeship.caches.loopback.deadline import within
from flakeship.errors import Error
from flakeship.http.coding import decoded
from flakeship.http.errors import WireError
from flakeship.http.origin import Origin
from flakeship.http.retry_after import retry_after
from flakeship.http.transport import Transport

if TYPE_CHECKING:  # it brings requests, which the first question imports
    from flakeship.http.response import Response

DOCUMENT_LIMIT: Final = 1024 * 1024
"""Bytes of a narinfo. One with a thousand references has 60 kB."""

_OF_STORAGE: Final = ("x-amz-", "x-goog-", "x-guploader")
"""Headers of storage that answers 403 where a file is missing and its names may not be listed.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions"
"""


class Kind(enum.Enum):
    """What an answer means for the next question."""

    MISSING = enum.auto()
    """The cache does not have it: nothing is wrong."""
    FORBIDDEN = enum.auto()
    """403: many caches answer so for what they do not have, and some for a wrong token."""
    REFUSED = enum.auto()
    """401 or 407: it will be the same for all questions."""
    PASSING = enum.auto()
    """Another try may succeed."""
    WRONG = enum.auto()
    """The answer can't be used, and would be the same again."""


class NotThereError(Exception):
    """The cache did not give what it was asked for. `reason` is a clause whose subject is the cache, "it answers 500"."""

    def __init__(self, kind: Kind, reason: str = "", *, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.wait = kind, reason, wait


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `connect` and `answer` are for one request, `budget` for all that fail in a run."""

    connect: float = 3.0
    answer: float = 5.0
    # docs/decisions.md#a-cache-is-asked-through-a-guard
    budget: float = 8.0


class Upstream:
    """A cache at `url`, which has no slash at its end. Each method raises NotThereError."""

    def __init__(self, url: str, transport: Transport, credentials: HostCredentials, limits: Limits) -> None:
        self.url, self._transport, self._credentials, self._limits = url, transport, credentials, limits

    def document(self, path: str, seconds: float) -> bytes:
        """Return a small document, all of which comes within `seconds` and the limit for an answer."""
        limit = min(seconds, self._limits.answer)

        def read() -> bytes:
            response = self._asked(f"{self.url}/{path}", {}, limit)
            return response.read(DOCUMENT_LIMIT + 1, seconds=limit)

        with _understood(limit):
            data = within(limit, read, lambda _: None)
        if len(data) > DOCUMENT_LIMIT:
            raise NotThereError(Kind.WRONG, f"it sends more than {DOCUMENT_LIMIT} bytes for one path")
        return data

    def place(self, url: str) -> str:
        """Return the address that a narinfo means, if it may be asked."""
        with _understood(0):
            whole = url if "://" in url else f"{self.url}/{url.lstrip('/')}"
            return self._transport.named(f"{self.url}/", whole)

    def opened(self, url: str, seconds: float, *, start: int = 0) -> Body:
        """Ask for a NAR from its byte `start` on. Its server has the limit of an answer for each 64 KiB."""
        limit = min(seconds, self._limits.answer)
        headers = {"Range": f"bytes={start}-"} if start else {}

        def ask() -> Body:
            return Body(self._asked(url, headers, limit), start, limit)

        with _understood(limit):
            return within(limit, ask, Body.close)

    def _asked(self, url: str, headers: Mapping[str, str], seconds: float) -> Response:
        authorization = self._credentials.for_host(Origin.of(url).host)
        response = self._transport.exchange(
            "GET",
            url,
            headers={**headers, "Authorization": authorization} if authorization else headers,
            timeout=seconds,
            connect_timeout=min(seconds, self._limits.connect),
            heeds_pauses=False,
        )
        if response.status not in ((200, 206) if "Range" in headers else (200,)):
            with response:
                raise _unusable(response)
        return response


class Body:
    """The body of an answer, from the byte `start` of a file on. A read raises NotThereError where it fails."""

    def __init__(self, response: Response, start: int, stall: float) -> None:
        self._response, self._stall = response, stall
        begins = response.status == 200  # not every server gives parts
        if (
            start
            and not begins
            and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        ):
            response.close()
            raise NotThereError(Kind.WRONG, "it sends another part of a file than was asked for")
        self.size = response.size
        """Bytes, None where the cache does not say it."""
        self._stream = decoded(response.stream(stall=stall), response.coding, response.origin)
        skipped = start if begins else 0
        while skipped and (data := self.read(min(skipped, 64 * 1024))):
            skipped -= len(data)

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end."""
        with _understood(self._stall):
            return self._stream.read(size) or b""

    def close(self) -> None:
        """Close the answer, whose connection is used again if all of it was read."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def _understood(seconds: float) -> Iterator[None]:
    """Raise a NotThereError in place of whatever else a question raises."""
    try:
        yield
    except TimeoutError as error:
        raise NotThereError(Kind.PASSING, f"it does not answer within {seconds:.0f} seconds") from error
    except WireError as error:
        raise NotThereError(Kind.PASSING if error.transient else Kind.WRONG, error.message) from error
    except (Error, OSError) as error:
        raise NotThereError(Kind.PASSING, str(error)) from error


def _unusable(response: Response) -> NotThereError:
    status = response.status
    reason = f"it answers {status}"
    if status in (404, 410):
        return NotThereError(Kind.MISSING, reason)
    if status == 403:
        of_storage = any(name.lower().startswith(_OF_STORAGE) for name in response.headers)
        return NotThereError(Kind.MISSING if of_storage else Kind.FORBIDDEN, reason)
    if status in (401, 407):
        return NotThereError(Kind.REFUSED, reason)
    if status in (408, 425, 429) or status >= 500:
        return NotThereError(Kind.PASSING, reason, wait=retry_after(response.headers) or 0.0)
    return NotThereError(Kind.WRONG, reason)
