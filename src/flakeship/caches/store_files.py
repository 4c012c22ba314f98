"""The files of a plain binary cache that a run writes: those of a folder, or of a server that takes PUT.

https://nix.dev/manual/nix/latest/store/types/http-binary-cache-store
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol
from urllib.parse import urlsplit

from flakeship import events
from flakeship.caches.loopback.credentials import HostCredentials
from flakeship.caches.nar_entry import NarInfo, parse_narinfo
from flakeship.caches.plan import PROBE_SECONDS
from flakeship.caches.soundness import is_nar_of
from flakeship.errors import ResourceError
from flakeship.http.body import RequestBody
from flakeship.http.errors import WireError
from flakeship.http.transport import Transport
from flakeship.image.stream import CHUNK, Reader
from flakeship.leftovers.locks import new_file, sweep_files
from flakeship.outside.reading import read_file

if TYPE_CHECKING:  # a folder needs no HTTP
    from flakeship.http.response import Response

NARINFO_LIMIT: Final = 1024 * 1024
"""Bytes of a narinfo. One with a thousand references has 60 kB."""

_ANSWER_SECONDS: Final = 8.0
_OK: Final = range(200, 300)
_MISSING: Final = (404, 410)
UNKNOWN: Final = -1
"""The size of a file that is there, as far as anybody tells."""


class Files(Protocol):
    """The files of a binary cache. Its methods raise an Error."""

    def read(self, name: str) -> bytes | None:
        """Return a small file; None without it, and for one that is too large."""
        ...

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, UNKNOWN where they are not told; None without it."""
        ...

    def opened(self, name: str) -> AbstractContextManager[Reader]:
        """Yield the content of a file. OSError, too, where it can't be read."""
        ...

    def put(self, name: str, size: int, open_: Callable[[], BinaryIO]) -> None:
        """Write a file, whole or not at all, also in place of another."""
        ...


def readable(files: Files, hash_part: str) -> NarInfo | None:
    """Return the narinfo of a path if the NAR that it names is there with its size, None otherwise."""
    data = files.read(f"{hash_part}.narinfo")
    try:
        found = parse_narinfo(data or b"")
    except ValueError:
        return None
    if found.hash_part != hash_part:
        return None
    if not _is_elsewhere(found.url):
        size = files.size(found.url)
        if size is None or (size != UNKNOWN and found.file_size not in (None, size)):
            return None
    return found


def is_whole(files: Files, found: NarInfo) -> bool:
    """Read the NAR of a path, and tell whether it is the one that the narinfo states."""
    if _is_elsewhere(found.url):
        return True
    try:
        with files.opened(found.url) as file:
            return is_nar_of(found, file)
    except (OSError, WireError):  # a server that breaks off refuses what is sent to it then, and that is told
        return False


def _is_elsewhere(url: str) -> bool:
    return bool(urlsplit(url).scheme)


class FolderFiles:
    """The files of `file:///DIR`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for each in (folder, folder / "nar"):
            sweep_files(each)

    def read(self, name: str) -> bytes | None:
        """Return a small file."""
        try:
            return read_file(self._folder / name, NARINFO_LIMIT)
        except (OSError, ValueError):
            return None

    def size(self, name: str) -> int | None:
        """Return the bytes of a file."""
        try:
            path = self._place(name)
            return path.stat().st_size if path.is_file() else None
        except OSError:
            return None

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Reader]:
        """Yield the content of a file."""
        with self._place(name).open("rb", buffering=0) as file:
            yield file

    def _place(self, name: str) -> Path:
        """Return where a file is that a narinfo names. FileNotFoundError outside of the cache."""
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            raise FileNotFoundError(name)
        return self._folder / place

    def put(self, name: str, size: int, open_: Callable[[], BinaryIO]) -> None:
        """Write a file beside its place, and give it its name when it is whole. ResourceError where that fails."""
        path = self._folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, new = new_file(path.parent)
            with os.fdopen(handle, "wb") as written:  # closed it would pass for what a killed run has left
                try:
                    with open_() as file:
                        shutil.copyfileobj(file, written, CHUNK)
                    written.flush()
                    os.fchmod(handle, 0o644)
                    new.replace(path)
                except BaseException:
                    new.unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise ResourceError(
                f"{path} can't be written: {error.strerror}", hint="check the folder and its free space"
            ) from error


class ServerFiles:
    """The files of a server. `credentials` are those of Nix's netrc file."""

    def __init__(self, url: str, transport: Transport, credentials: HostCredentials) -> None:
        self._url, self._transport = url, transport
        found = credentials.for_host(urlsplit(url).hostname or "")
        self._headers = {"Authorization": found} if found else {}

    def read(self, name: str) -> bytes | None:
        """Get a small file."""
        with self._asked("GET", name) as response:
            data = response.read(NARINFO_LIMIT + 1, seconds=PROBE_SECONDS) if response.status in _OK else b""
        return data if data and len(data) <= NARINFO_LIMIT else None

    def size(self, name: str) -> int | None:
        """Ask for the head of a file. A server that refuses that may have it all the same."""
        with self._asked("HEAD", name) as response:
            if response.status in _MISSING:
                return None
            return response.size if response.status in _OK and response.size is not None else UNKNOWN

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[Reader]:
        """Get a file."""
        with self._asked("GET", name) as response:
            if response.status not in _OK:
                raise FileNotFoundError(name)
            yield response.stream(stall=_ANSWER_SECONDS)

    def _asked(self, method: str, name: str) -> Response:
        return self._transport.exchange(
            method, f"{self._url}/{name}", headers=self._headers, timeout=PROBE_SECONDS
        )

    def put(self, name: str, size: int, open_: Callable[[], BinaryIO]) -> None:
        """Send a file. ResourceError for an answer that refuses it."""
        body = RequestBody(open_, size, name, events.ignore)
        with self._transport.exchange(
            "PUT", f"{self._url}/{name}", headers=self._headers, body=body, timeout=_ANSWER_SECONDS
        ) as response:
            if response.status not in _OK:
                raise ResourceError(
                    f"it answers {response.status} to PUT", hint=_HINTS.get(response.status, _USUAL_HINT)
                )


_USUAL_HINT: Final = "check the address, and that the server takes PUT there"
_PASSWORD: Final = (
    "give Nix a netrc file with a password that may write there, by `nix-config: netrc-file = FILE`"  # noqa: S105 - it holds none
)
_SPACE: Final = "free space on the server: nothing that it keeps is removed by flakeship"
_LATER: Final = "run again later: what is missing is built again"
_HINTS: Final = {
    401: _PASSWORD,
    403: _PASSWORD,
    413: "let the server take larger files",
    429: _LATER,
    503: _LATER,
    507: _SPACE,
}
