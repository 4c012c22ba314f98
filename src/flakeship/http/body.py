"""The body of a request as a file of known size: sent with Content-Length, and opened again for each try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from flakeship.errors import ResourceError, advice
from flakeship.events import BytesAwaited, BytesMoved, Emit
from flakeship.printable import counted

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestBody:
    """A body of `size` bytes that can be read any number of times, each time from the file that `open` returns.

    `name` is what an error calls it, for instance `layer sha256:12ab`. `emit` receives a BytesMoved for each piece sent.
    """

    open: Callable[[], BinaryIO]
    size: int
    name: str
    emit: Emit


class SizedReader:
    """A reader of one RequestBody, from its beginning to its end.

    It has `read` and `__len__` so that requests sends a Content-Length; a generator is sent in chunks
    (https://requests.readthedocs.io/en/latest/user/advanced/#chunk-encoded-requests).
    """

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self._left = body.size
        self._file = _local(body, body.open)
        body.emit(BytesAwaited("sent", body.size))

    def __len__(self) -> int:
        """Return the size of the whole body in bytes, however much has been read."""
        return self._body.size

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes, and b"" at the end of the body.

        ResourceError is raised when the file can't be read or ends too early: the server would wait for the rest.
        """
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        data = _local(self._body, lambda: self._file.read(wanted))
        if not data:
            raise ResourceError(
                f"{self._body.name} ended {counted(self._left, 'byte')} early",
                hint="run again, and keep other programs out of the folder for temporary files",
            )
        self._left -= len(data)
        self._body.emit(BytesMoved("sent", len(data)))
        return data

    def close(self) -> None:
        """Close the file. What is left of it is sent by another try, or by none."""
        if self._left:
            self._body.emit(BytesAwaited("sent", -self._left))
            self._left = 0
        self._file.close()


def _local(body: RequestBody, act: Callable[[], T]) -> T:
    """Raise a ResourceError for an OSError of the local file, which would look like one of the connection."""
    try:
        return act()
    except OSError as error:
        raise ResourceError(
            f"{body.name} can't be read: {error.strerror or error}",
            hint=advice(
                error, "check the disk, and keep other programs out of the folder for temporary files"
            ),
        ) from error
