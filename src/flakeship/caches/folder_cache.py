"""A binary cache in a folder, `file:///DIR`, in the form in which our readers ask every cache."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote

from flakeship.caches.loopback.served import Nar, cache_info
from flakeship.caches.nar_entry import NarInfo, parse_narinfo
from flakeship.caches.soundness import is_file_of
from flakeship.image.stream import Unclosed
from flakeship.outside.reading import read_file

_LIMIT: Final = 1024 * 1024
"""Bytes of a narinfo. One with a thousand references has 60 kB."""

_URL: Final = re.compile(rb"^URL:.*$", re.MULTILINE)
_USUAL_PRIORITY: Final = 50
_SUFFIX: Final = ".nar"
_FILE: Final = "file://"


def folder_of(address: str) -> Path | None:
    """Return the folder of a URL without parameters; None if it is not one of `file`."""
    if not address.startswith(f"{_FILE}/"):
        return None
    written = Path(address.removeprefix(_FILE))
    return written if written.is_dir() else Path(unquote(str(written)))  # Nix 2.8 decodes nothing


class FolderCache:
    """A `Served`. Its methods raise OSError or ValueError for what can't be read.

    With `fault` a file is compared with its narinfo before its first byte is handed on: for a Nix that fails where one is
    damaged. `fault` is told what is wrong.
    """

    def __init__(self, folder: Path, *, fault: Callable[[str], None] | None = None) -> None:
        self._folder, self._fault = folder, fault
        self._has_warned = False
        self._places: dict[str, tuple[Path, NarInfo]] = {}

    def info(self) -> bytes:
        """Return the `nix-cache-info`; one of our own where the folder has none."""
        try:
            return read_file(self._folder / "nix-cache-info", _LIMIT)
        except (OSError, ValueError):
            return cache_info(priority=_USUAL_PRIORITY)

    def narinfo(self, hash_part: str) -> bytes | None:
        """Return the narinfo of a path, whose NAR is asked for by its hash part."""
        try:
            data = read_file(self._folder / f"{hash_part}.narinfo", _LIMIT)
        except FileNotFoundError:
            return None
        try:
            found = parse_narinfo(data)
            place = PurePosixPath(found.url)
            if place.is_absolute() or ".." in place.parts:
                raise ValueError(f"{place} is not in the cache")
        except ValueError as error:
            self._tell(f"{hash_part}.narinfo: {error}")
            raise
        self._places[hash_part] = self._folder / place, found
        return _URL.sub(f"URL: nar/{hash_part}{_SUFFIX}".encode(), data)

    def nar(self, name: str) -> AbstractContextManager[Nar] | None:
        """Return the NAR of a path whose narinfo was asked for."""
        known = self._places.get(name.removesuffix(_SUFFIX))
        return self._opened(*known) if known else None

    @contextlib.contextmanager
    def _opened(self, place: Path, found: NarInfo) -> Iterator[Nar]:
        with self._checked(place, found) as file:
            yield Nar(os.fstat(file.fileno()).st_size, file)

    def _checked(self, place: Path, found: NarInfo) -> FileIO:
        try:
            file = place.open("rb", buffering=0)
            if self._fault:
                if not is_file_of(found, Unclosed(file)):
                    file.close()
                    raise ValueError("it is not the file that its narinfo tells of")
                file.seek(0)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self._tell(f"{found.url}: {why}")
            raise
        return file

    def _tell(self, reason: str) -> None:
        if self._fault:
            self._fault(reason)
            self._has_warned = True

    @property
    def has_warned(self) -> bool:
        """Whether `fault` was told of something."""
        return self._has_warned

    def close(self) -> None:
        """Do nothing: nothing is kept open."""
