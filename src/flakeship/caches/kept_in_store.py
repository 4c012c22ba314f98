"""The cache of a run in a plain binary cache, as Nix knows them: a folder, or a server that takes PUT.

https://nix.dev/manual/nix/latest/store/types/http-binary-cache-store
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from flakeship import events
from flakeship.caches.keeper import Pushed, Taker
from flakeship.caches.loopback.credentials import HostCredentials
from flakeship.caches.loopback.served import cache_info
from flakeship.caches.nar_entry import NarEntry, NarInfo, PathInfo, narinfo_of, nix32
from flakeship.caches.packs.pack import compressed
from flakeship.caches.place import StorePlace
from flakeship.caches.plan import CachePart, CacheTools, KeptResults
from flakeship.caches.probe import is_empty, unusable, unusable_by_nix
from flakeship.caches.soundness import says_the_same
from flakeship.caches.store_files import Files, FolderFiles, ServerFiles, is_whole, readable
from flakeship.caches.through import users_netrc
from flakeship.errors import Error, ResourceError
from flakeship.store_paths import STORE, hash_of

if TYPE_CHECKING:  # most caches are not signed
    from flakeship.caches.packs.signing import SecretKey

_INFO: Final = "nix-cache-info"
_PRIORITY: Final = 30
_ASKED_AT_ONCE: Final = 16
_FEW: Final = 4
"""Paths for which no threads are started."""


class StoreKeeper:
    """A `Keeper`. A path exists when its narinfo does, so narinfos are written last, those of references first."""

    def __init__(self, kept: KeptResults, tools: CacheTools, *, netrc_file: str) -> None:
        place = kept.cache.place
        assert isinstance(place, StorePlace), "the other kinds are places for packs"
        self._url, self._fetch = place.url, tools.fetch
        self._key = kept.key.public if kept.key else None
        self.part = CachePart(
            substituters=(self._url if kept.key else f"{self._url}?trusted=1",),
            public_keys=(str(self._key),) if self._key else (),
        )
        self._files: Files
        parts = urlsplit(self._url)
        folder = Path(unquote(parts.path))
        if parts.scheme == "file":
            self._files = FolderFiles(folder)
            there = folder.is_dir()
            down = unusable((self._url,), tools.fetch).get(self._url, "") if there else ""
            what = "the folder"
            self.part = self.part if there else CachePart()
        else:
            what = "the address and its password"
            netrc = users_netrc(netrc_file, tools) or ""
            self._files = ServerFiles(self._url, tools.transport, HostCredentials.of((netrc,)))
            down = unusable_by_nix((self._url,), tools.fetch, lambda: netrc).get(self._url, "")
            if is_empty(down):  # until a run has written to it
                self.part, down = CachePart(), ""
        if down:
            self.part = CachePart()
            tools.emit(
                events.Warned(
                    f"{self.name} is left out: {down}",
                    hint=f"check {what}; the build goes on without this cache",
                )
            )
        self._writer = (
            None if down or kept.read_only else _StoreWriter(self._files, self.name, kept.key, tools)
        )

    @property
    def name(self) -> str:
        """How messages call it."""
        return self._url

    @property
    def taker(self) -> Taker | None:
        """Return what writes new paths."""
        return self._writer

    def takes(self) -> bool:
        """Tell whether new paths can be written."""
        return self._writer is not None and not self._writer.stopped

    def held(self, hash_parts: Collection[str]) -> Collection[str]:
        """Ask for these paths, many at once. When that fails no other is asked for, and none is pushed."""
        if len(hash_parts) < _FEW:
            return [part for part in hash_parts if self._holds(part)]
        with ThreadPoolExecutor(_ASKED_AT_ONCE, "flakeship-cache-ask") as pool:
            return [
                part
                for part, is_there in zip(hash_parts, pool.map(self._holds, hash_parts), strict=True)
                if is_there
            ]

    def _holds(self, hash_part: str) -> bool:
        return self._tells(lambda: self._readable(hash_part) is not None)

    def _readable(self, hash_part: str) -> NarInfo | None:
        """Return what Nix would read of a path here, and believe."""
        found = readable(self._files, hash_part)
        return found if found and (self._key is None or self._key.has_signed(found)) else None

    def _tells(self, question: Callable[[], bool]) -> bool:
        """Ask the cache; once it fails it is not asked any more, and all is taken for held: nothing can be written."""
        if self._writer is None or self._writer.stopped:
            return True
        try:
            return question()
        except Error as error:
            self._writer.stop(error)
            return True

    def is_sound(self, info: PathInfo, *, copied: bool) -> bool:
        """Compare what it says with what Nix says, and where Nix could not copy the path all of it with its hash."""

        def compared() -> bool:
            found = self._readable(info.hash_part)
            return bool(found and says_the_same(found, info) and (not copied or is_whole(self._files, found)))

        return self._tells(compared)

    def has_lost(self, hash_part: str) -> bool:
        """Nix reads such a cache by itself."""
        return False

    def is_public(self) -> bool:
        """Ask the server as anybody can."""
        return not self._url.startswith("file:") and not unusable((self._url,), self._fetch)

    hint_if_public = "let the server ask for a password, or keep the results elsewhere by `nix-cache`"

    def be_awaited(self) -> None:
        """Do nothing: each request has its own limit."""

    def settle(self) -> None:
        """Do nothing: its narinfos are written at the end."""

    def finish(self, seconds: float) -> Pushed | None:
        """Write what makes the new paths known."""
        return self._writer.finish(time.monotonic() + seconds) if self._writer else None

    def close(self) -> None:
        """Nothing is kept here."""


class _StoreWriter:
    def __init__(self, files: Files, name: str, key: SecretKey | None, tools: CacheTools) -> None:
        self._files, self._name, self._key = files, name, key
        self._emit, self._folder = tools.emit, tools.folder
        self._lock = threading.Lock()
        self._entries: dict[str, NarEntry] = {}
        self._stopped: Error | None = None

    @property
    def stopped(self) -> Error | None:
        return self._stopped

    def __contains__(self, hash_part: str) -> bool:
        return hash_part in self._entries

    def be_ready(self) -> None:
        """Do nothing."""

    def add(self, info: PathInfo, nar: Iterable[bytes]) -> None:
        if self._key:
            info = replace(info, sigs=tuple(dict.fromkeys((*info.sigs, self._key.signature(info)))))
        with (
            compressed(info, nar, folder=self._folder) as frame,
            tempfile.TemporaryDirectory(dir=self._folder) as folder,
        ):
            path = Path(folder) / "nar"
            with path.open("wb") as file:
                while data := frame.file.read(1024 * 1024):
                    file.write(data)
            try:
                self._files.put(_nar_name(frame.entry), frame.entry.frame_size, lambda: path.open("rb"))
            except Error as error:
                self.stop(error)
            else:
                with self._lock:
                    self._entries[info.hash_part] = frame.entry

    def finish(self, deadline: float) -> Pushed | None:
        done: list[NarEntry] = []
        try:
            if self._entries and self._files.read(_INFO) is None:
                self._write(_INFO, cache_info(priority=_PRIORITY))
            for entry in _references_first(self._entries):
                if time.monotonic() > deadline:
                    raise ResourceError(
                        "its last paths were not written in time", hint="leave it: the next run sends them"
                    )
                self._write(f"{entry.hash_part}.narinfo", narinfo_of(entry, _nar_name(entry)))
                done.append(entry)
        except Error as error:
            self.stop(error)
        return Pushed(len(done), sum(entry.frame_size for entry in done)) if done else None

    def _write(self, name: str, data: bytes) -> None:
        self._files.put(name, len(data), lambda: BytesIO(data))

    def stop(self, error: Error) -> None:
        """Take nothing more, and say why."""
        with self._lock:
            first, self._stopped = not self._stopped, self._stopped or error
        if first:
            self._emit(
                events.Warned(
                    f"not all of this build is kept in {self._name}: {error.message}",
                    hint=error.hint or error.usual_hint or "check that you may write to it",
                )
            )


def _nar_name(entry: NarEntry) -> str:
    return f"nar/{nix32(entry.frame)}.nar.zst"


def _references_first(entries: Mapping[str, NarEntry]) -> list[NarEntry]:
    graph = {
        part: {other for name in entry.references if (other := hash_of(STORE + name)) in entries} - {part}
        for part, entry in entries.items()
    }
    try:
        return [entries[part] for part in TopologicalSorter(graph).static_order()]
    except CycleError:
        return list(entries.values())
