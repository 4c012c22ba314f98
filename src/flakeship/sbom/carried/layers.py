"""What the layers of an image carry, noticed while they are read to be packed: no layer is read for that alone, and none twice."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Final

from flakeship.image.model import Layer
from flakeship.image.stream import Reader, Wrapper
from flakeship.sbom.carried.dist_info import MOST
from flakeship.sbom.carried.elf import MAGIC, ReadAt
from flakeship.sbom.carried.files import LIMIT, MOST_PARTS, Carrier, carried_by, carrier
from flakeship.sbom.carried.parts import Carried, Findings, UnreadableError
from flakeship.sbom.carried.tar_feed import Passing, Sink, TarFeed
from flakeship.sbom.layer_paths import LayerPaths, NotedPaths

_IN_MEMORY: Final = 4 << 20
"""Bytes of a program that are kept in memory; of a larger one a file is written, for as long as it passes by."""
_HELD: Final = 20_000
"""The most store paths that are noted of one layer: no real layer has more."""


# docs/decisions.md#what-programs-carry-is-read-where-it-lies
class PassingLayers:
    """Packing threads write `found` and `paths`; read them when the threads have ended.

    `paths` are the store paths that a layer adds and removes, by `Layer.key`, of the layers that were read to their end.
    `is_here` tells of a store path that it can be read where it lies on this machine, so that it is passed over.
    `folder` is private.
    """

    def __init__(self, folder: Callable[[], Path], is_here: Callable[[str], bool]) -> None:
        self._folder, self._is_here = folder, is_here
        self._lock = threading.Lock()
        self._parts = 0
        self._seconds = LIMIT
        self.found = Findings()
        self.paths: dict[str, LayerPaths] = {}

    def watch(self, layer: Layer) -> Layer:
        """Return a layer that notes what it holds here when it is read, or unpacked to be compared."""

        def watched(open_: Callable[[], Reader]) -> Callable[[], Reader]:
            return lambda: self.passing(open_(), layer.key)

        blob = layer.compressed
        return replace(
            layer,
            open=watched(layer.open),
            otherwise=tuple(map(watched, layer.otherwise)),
            compressed=replace(blob, watch=lambda tar: self.passing(tar, layer.key)) if blob else None,
        )

    def passing(self, tar: Reader, key: str) -> Reader:
        """Return a reader of the tar, which notes what passes."""
        return _Watched(tar, key, self)

    def is_here(self, path: str) -> bool:
        """Whether a store path is left to those who read it where it lies."""
        return self._is_here(path)

    def folder(self) -> Path:
        """Where a program is kept while it passes by."""
        return self._folder()

    def looked_at(self, kind: Carrier, read_at: ReadAt) -> Carried | None:
        """Return what a file carries. UnreadableError as by `carried_by`, and where all of the image lists too much, or took too long."""
        if self._seconds < 0 or self._parts > MOST_PARTS:
            raise UnreadableError("the image lists too many parts, or they are too slow to read")
        begun = time.monotonic()
        try:
            found = carried_by(kind, read_at)
        finally:
            with self._lock:
                self._seconds -= time.monotonic() - begun
        with self._lock:
            self._parts += len(found.needs) if found else 0
        return found

    def note(self, key: str, found: Findings, paths: LayerPaths) -> None:
        """Add what was found in a layer that was read to its end."""
        with self._lock:
            self.found.add(found)
            self.paths[key] = paths


class _Watched(Wrapper):
    def __init__(self, reader: Reader, key: str, layers: PassingLayers) -> None:
        super().__init__(reader)
        self._key, self._layers = key, layers
        self._feed = TarFeed(self._wanted)
        self._found = Findings()
        self._paths = NotedPaths(_HELD)
        self._looked: dict[str, bool] = {}
        """The store paths that the layer adds, and whether their files are looked at."""

    def read(self, size: int = -1, /) -> bytes:
        data = self._reader.read(size)
        if data:
            self._feed.feed(data)
        elif size and self._feed.end():
            self._found.read |= {path for path, looked in self._looked.items() if looked}
            self._layers.note(self._key, self._found, self._paths.noted)
        return data

    def _wanted(self, passing: Passing) -> Sink | None:
        path = self._paths.note(passing.name)
        if not path:
            return None
        if path not in self._looked and path in self._paths.added:
            self._looked[path] = not self._layers.is_here(path)
        if not self._looked.get(path) or not passing.is_file:
            return None
        kind = carrier(passing.name, executable=passing.executable, size=passing.size)
        return _File(path, f"/{passing.name}", kind, self._layers, self._found) if kind else None


class _File:
    """Keeps a file until it has passed, if it begins as a program does."""

    def __init__(self, path: str, name: str, kind: Carrier, layers: PassingLayers, found: Findings) -> None:
        self._path, self._name, self._kind = path, name, kind
        self._layers, self._found = layers, found
        self._head = b""
        self._kept: IO[bytes] | None = None
        self._size = 0
        self._is_wanted = kind == "package"

    def take(self, data: bytes) -> None:
        """Take the next piece; of what is no program nothing is kept."""
        if self._kind == "program" and not self._is_wanted:
            if len(self._head) >= len(MAGIC):
                return
            self._head += data
            if len(self._head) < len(MAGIC):
                return
            self._is_wanted = self._head.startswith(MAGIC)
            data = self._head
            if not self._is_wanted:
                return
        if self._kind == "package" and self._size >= MOST:
            return
        try:
            if self._kept is None:
                folder = str(self._layers.folder())
                self._kept = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=folder)  # noqa: SIM115  closed at the end of the member
            self._kept.write(data)
            self._size += len(data)
        except OSError:  # the disk is full, which who needs it reports
            self._is_wanted, self._head = False, MAGIC
            self._drop()
            self._found.damaged(self._name)

    def end(self) -> None:
        """Note what the file carries."""
        if self._kept is None:
            return
        try:
            carried = self._layers.looked_at(self._kind, self._read_at)
        except (UnreadableError, OSError):
            self._found.damaged(self._name)
        else:
            if carried:
                self._found.note(self._path, carried)
        self._drop()

    def _read_at(self, offset: int, size: int) -> bytes:
        assert self._kept
        if offset > self._size:
            return b""
        self._kept.seek(offset, os.SEEK_SET)
        return self._kept.read(size)

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None
