"""Looking at small layers while they pass by on their way to be packed: never a read more, and none of large ones."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from flakeship.image.model import Layer
from flakeship.image.stream import CHUNK, Reader, Stream
from flakeship.lint.facts import Glimpse

_SMALL: Final = CHUNK
_IN_STORE: Final = 3
"""Entries of the store after which the rest of a layer is taken to be the store's too."""
_KEPT: Final = frozenset({"etc/passwd"})
_LINKS: Final = frozenset({tarfile.SYMTYPE, tarfile.LNKTYPE})
_EXTENSIONS: Final = b"xgLKX"


class Glimpses(dict[str, Glimpse]):
    """By key of layer. Written from the threads that pack, read when they are done."""

    def watch(self, layer: Layer) -> Layer:
        """The layer itself, which on being read leaves a glimpse here; a large one, or one of unknown size, is left alone."""
        if layer.size is None or layer.size > _SMALL:
            return layer
        return replace(layer, open=lambda: _Watched(layer.open(), layer.key, self))


class _Watched(Stream):
    def __init__(self, reader: Reader, key: str, glimpses: Glimpses) -> None:
        self._reader, self._key, self._glimpses = reader, key, glimpses
        self._pieces: list[bytes] = []
        self._size = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._reader.read(size)
        self._size += len(data)
        if self._size <= 2 * _SMALL:  # a compressed layer may be larger than it said
            self._pieces.append(data)
        return data

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
            if self._size <= 2 * _SMALL:
                self._glimpses[self._key] = glimpse_of(b"".join(self._pieces))
        super().close()


def glimpse_of(tar: bytes) -> Glimpse:
    """Names outside the store. What is damaged is for others to say: here it only means that not all was seen."""
    paths: set[str] = set()
    links: dict[str, str] = {}
    files: dict[str, bytes] = {}
    store = 0
    try:
        for info, name, start in _members(tar):
            if name.startswith("nix/store/"):
                store += 1
                if store >= _IN_STORE:
                    break
                continue
            paths.add(name)
            if info.type in _LINKS:
                links[name] = info.linkname
            elif name in _KEPT:
                files[name] = tar[start : start + info.size]
    except (tarfile.TarError, ValueError):
        return Glimpse(frozenset(paths), links, files, whole=False)
    return Glimpse(frozenset(paths), links, files, whole=store < _IN_STORE)


def _members(tar: bytes) -> Iterator[tuple[tarfile.TarInfo, str, int]]:
    """Header, name without a leading slash, and where the data begins. A name of an extended header is longer than ours."""
    position = 0
    while position + tarfile.BLOCKSIZE <= len(tar):
        block = tar[position : position + tarfile.BLOCKSIZE]
        if not any(block):
            return
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        position += tarfile.BLOCKSIZE
        if info.type not in {bytes([kind]) for kind in _EXTENSIONS}:
            yield info, info.name.removeprefix("./").strip("/"), position
        # only a file's size is that of data
        size = 0 if info.type in _LINKS or info.type == tarfile.DIRTYPE else info.size
        position += size + -size % tarfile.BLOCKSIZE
