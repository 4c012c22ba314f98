"""A binary cache in a folder, `file:///DIR`, in the form in which our readers ask every cache."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Final

from flakeship.caches.loopback.served import Nar, cache_info
from flakeship.caches.nar_entry import parse_narinfo
from flakeship.outside.reading import read_file

_LIMIT: Final = 1024 * 1024
"""Bytes of a narinfo. One with a thousand references has 60 kB."""

_URL: Final = re.compile(rb"^URL:.*$", re.MULTILINE)
_USUAL_PRIORITY: Final = 50
_SUFFIX: Final = ".nar"


class FolderCache:
    """A `Served`. Its methods raise OSError or ValueError for what can't be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, Path] = {}

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
        place = PurePosixPath(parse_narinfo(data).url)
        if place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{place} is not in the cache")
        self._places[hash_part] = self._folder / place
        return _URL.sub(f"URL: nar/{hash_part}{_SUFFIX}".encode(), data)

    def nar(self, name: str) -> AbstractContextManager[Nar] | None:
        """Return the NAR of a path whose narinfo was asked for."""
        place = self._places.get(name.removesuffix(_SUFFIX))
        return _opened(place) if place else None

    def close(self) -> None:
        """Do nothing: nothing is kept open."""


@contextlib.contextmanager
def _opened(place: Path) -> Iterator[Nar]:
    with place.open("rb", buffering=0) as file:
        yield Nar(os.fstat(file.fileno()).st_size, file)
