"""A request's body as a sized file: sent with Content-Length, read in large pieces, opened anew for each try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from flakeship.errors import ResourceError
from flakeship.events import BytesMoved, Emit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestBody:
    """`size` bytes that `open` yields, any number of times. `name` is how an error calls them."""

    open: Callable[[], BinaryIO]
    size: int
    name: str
    emit: Emit


class SizedReader:
    """One reading of a RequestBody.

    requests sends both Content-Length and chunks when it is given a generator: what has `read` and `__len__` is
    sent as it should be. A body that ends early would leave the server waiting, so that is an error here.
    """

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self._left = body.size
        self._file = _local(body, body.open)

    def __len__(self) -> int:
        return self._body.size

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        data = _local(self._body, lambda: self._file.read(wanted))
        if not data:
            raise ResourceError(
                f"{self._body.name} ended {self._left} bytes early",
                hint="Something else removed or shortened it while it was being sent.",
            )
        self._left -= len(data)
        self._body.emit(BytesMoved("sent", len(data)))
        return data

    def close(self) -> None:
        self._file.close()


def _local(body: RequestBody, act: Callable[[], T]) -> T:
    """An OSError of the local file must not look like one of the connection."""
    try:
        return act()
    except OSError as error:
        raise ResourceError(
            f"{body.name} cannot be read: {error.strerror or error}",
            hint="Nothing else may touch the temporary folder while it runs; look at the disk.",
        ) from error
