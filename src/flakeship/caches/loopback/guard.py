"""Another cache behind the loopback server: what it does not answer well is not there, and is reported once.

Nix fails the build, or aborts, where a cache answers 5xx or nothing: https://github.com/NixOS/nix/issues/15785,
https://github.com/NixOS/nix/issues/11511.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, cast

from flakeship.caches.loopback.fetched import FetchedFile, Place
from flakeship.caches.loopback.patience import Patience
from flakeship.caches.loopback.served import Nar, cache_info
from flakeship.caches.loopback.upstream import NotThereError, Upstream
from flakeship.caches.nar_entry import parse_narinfo
from flakeship.image.stream import Reader

CHECKED_FIRST: Final = 4 * 1024 * 1024
"""Bytes of a file that is checked before its first byte is handed on. Nix gives up a cache that is silent for some seconds."""

_USUAL_PRIORITY: Final = 50
_FIELD: Final = re.compile(rb"^(StoreDir|WantMassQuery|Priority):[ \t]*(\S+)", re.MULTILINE)
_NUMBER: Final = re.compile(rb"\d{1,8}")
_URL: Final = re.compile(rb"^URL:.*$", re.MULTILINE)
_SUFFIX: Final = ".nar"


class Guard:
    """A `Served` for another cache, which `patience` asks. Files in passing go to `folder`, which is private.

    With `whole` also a large file is checked before its first byte is handed on.
    """

    def __init__(self, upstream: Upstream, patience: Patience, folder: Path, *, whole: bool = False) -> None:
        self._upstream, self._patience, self._folder, self._whole = upstream, patience, folder, whole
        self._places: dict[str, Place | None] = {}
        self._described = threading.Lock()
        self._info: bytes | None = None

    def info(self) -> bytes:
        """Return the `nix-cache-info` with the priority that the cache wishes; one of our own where it has none."""
        with self._described:
            if self._info is None:
                self._info = self._describe()
            return self._info

    def narinfo(self, hash_part: str) -> bytes | None:
        """Return the narinfo, whose NAR is asked for here too."""
        data = self._patience.ask(lambda left: self._upstream.document(f"{hash_part}.narinfo", left))
        if data is None:
            return None
        try:
            found = parse_narinfo(data)
            if found.hash_part != hash_part:
                raise ValueError("it is one of another path")
            place = Place(self._upstream.place(found.url), found.file_size, found.file_hash)
        except (ValueError, NotThereError) as error:
            self._patience.fault(f"{hash_part}.narinfo: {error}")
            return None
        self._places.setdefault(hash_part, place)
        return _URL.sub(f"URL: nar/{hash_part}{_SUFFIX}".encode(), data)

    def nar(self, name: str) -> AbstractContextManager[Nar] | None:
        """Return the NAR: a small one when all of it was checked, a large one as it comes, its end when all was checked."""
        hash_part = name.removesuffix(_SUFFIX)
        place = self._places.get(hash_part)
        return self._opened(hash_part, place) if place else None

    @property
    def has_warned(self) -> bool:
        """Whether a warning has said what is wrong with the cache."""
        return self._patience.has_warned

    def close(self) -> None:
        """Ask nothing more, and report what is only known now."""
        self._patience.close()

    @contextlib.contextmanager
    def _opened(self, hash_part: str, place: Place) -> Iterator[Nar]:
        try:
            file = FetchedFile(place, self._upstream, self._patience)
        except NotThereError:
            self._places[hash_part] = None
            raise
        try:
            with file:
                if not self._whole and file.size is not None and file.size > CHECKED_FIRST:
                    yield Nar(file.size, cast("Reader", file))
                else:
                    with self._checked(file) as nar:
                        yield nar
        finally:
            if file.failed:  # Nix asks again, and has to hear that it is not there
                self._places[hash_part] = None

    @contextlib.contextmanager
    def _checked(self, file: FetchedFile) -> Iterator[Nar]:
        """Read all of a file, and yield it as it was read."""
        with tempfile.SpooledTemporaryFile(CHECKED_FIRST, dir=str(self._folder)) as spool:
            try:
                while data := file.read():
                    spool.write(data)
            except OSError as error:
                self._patience.fault(f"there is no room for a file while it is checked: {error.strerror}")
                raise
            size = spool.tell()
            spool.seek(0)
            yield Nar(size, cast("Reader", spool))

    def _describe(self) -> bytes:
        data = self._patience.ask(
            lambda left: self._upstream.document("nix-cache-info", left), of_a_path=False
        )
        fields = dict(_FIELD.findall(data or b""))
        store = fields.get(b"StoreDir", b"/nix/store")
        if store != b"/nix/store":
            self._patience.give_up(f"it is for the store {store.decode(errors='replace')[:100]}")
        priority = fields.get(b"Priority", b"")
        return cache_info(
            priority=int(priority) if _NUMBER.fullmatch(priority) else _USUAL_PRIORITY,
            mass_query=fields.get(b"WantMassQuery") == b"1",
        )
