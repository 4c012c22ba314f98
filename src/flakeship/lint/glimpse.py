"""Notice the file names of small layers while they are read to be packed.

No layer is read twice, and nothing of a large layer is kept in memory.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from flakeship.image.model import EMPTY, Layer
from flakeship.image.stream import CHUNK, Prefixed, Reader, Wrapper, read_full

# docs/decisions.md#lint-reads-nothing-for-its-own-sake
SMALL: Final = CHUNK
"""Bytes of a layer that is looked at, at most: unpacked where that is known, else as it is stored."""
MOST: Final = 2 * SMALL
"""Bytes that are read at most of a layer, which may be larger than its `size` where it is compressed."""

_IN_STORE: Final = 3
"""A layer with so many members in the store is a layer of store paths: the rest of it is not looked at."""
_KEPT: Final = frozenset({"etc/passwd"})
_LINKS: Final = frozenset({tarfile.SYMTYPE, tarfile.LNKTYPE})
_EXTENSIONS: Final = b"xgLKX"


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What one layer holds outside the store. No path has a leading slash.

    `links` lead from a path to its target, and `files` hold the content of the few files that rules read.
    `whole` is False if the layer may hold more than is listed here.
    """

    paths: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    files: Mapping[str, bytes] = field(default_factory=dict)
    whole: bool = True


class Glimpses(dict[str, Glimpse]):
    """The glimpses of all layers by `Layer.key`. Packing threads write them; read them when the threads have ended."""

    def watch(self, layer: Layer) -> Layer:
        """Return a layer that stores its glimpse here when it is read.

        A layer above 1 MiB, or of unknown size, is returned as it is.
        """
        if layer.size is None or layer.size > SMALL:
            return layer
        return replace(layer, open=lambda: _Watched(layer.open(), layer.key, self))

    def look(self, layer: Layer) -> Layer:
        """Read a small layer now, wherever it is and whoever has it packed already; return one that can be read as before.

        A layer above 1 MiB, or of unknown size, is returned as it is.
        """
        blob = layer.compressed
        size = blob.size if blob else layer.size
        if size is None or size > SMALL:
            return layer
        reader = layer.open()
        data = read_full(reader, MOST + 1)
        if len(data) > MOST:  # what is read forward can't be opened again
            begun = [Prefixed(data, reader)]
            return replace(layer, open=lambda: begun.pop() if begun else layer.open())
        reader.close()
        self.take(layer.key, data)
        return replace(layer, open=lambda: io.BytesIO(data))

    def take(self, key: str, tar: bytes) -> None:
        """Note what a tar holds that was read elsewhere, unless it is not small."""
        if len(tar) <= MOST:
            self[key] = glimpse_of(tar)


class _Watched(Wrapper):
    def __init__(self, reader: Reader, key: str, glimpses: Glimpses) -> None:
        super().__init__(reader)
        self._key, self._glimpses = key, glimpses
        self._pieces: list[bytes] = []
        self._size = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._reader.read(size)
        self._size += len(data)
        if self._size <= MOST:  # a compressed layer may be larger than its `size`
            self._pieces.append(data)
        return data

    def close(self) -> None:
        closed_before = self.closed
        super().close()
        if not closed_before and self._size <= MOST:
            self._glimpses[self._key] = glimpse_of(b"".join(self._pieces))


def glimpse_of(tar: bytes) -> Glimpse:
    """Return the glimpse of a layer. A damaged tar is reported elsewhere; here it only sets `whole=False`."""
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
    """Yield the header of each member, its name without a leading slash, and the offset of its data in `tar`.

    Extended headers are passed over: they give long names, and no rule looks for one.
    """
    position = 0
    while position + tarfile.BLOCKSIZE <= len(tar):
        block = tar[position : position + tarfile.BLOCKSIZE]
        if not any(block):
            return
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        position += tarfile.BLOCKSIZE
        if info.type not in {bytes([kind]) for kind in _EXTENSIONS}:
            yield info, info.name.removeprefix("./").strip("/"), position
        # the size field of links and folders may be set although no data follows
        size = 0 if info.type in _LINKS or info.type == tarfile.DIRTYPE else info.size
        position += size + -size % tarfile.BLOCKSIZE
