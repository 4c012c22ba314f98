"""The first program in each layer, noticed while the layer is read to be packed: for which processor it is made."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from typing import Final

from flakeship.image.model import Layer
from flakeship.image.program_header import HEAD, architecture_in
from flakeship.image.stream import Reader, Wrapper

_FILES: Final = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
_WITHOUT_DATA: Final = frozenset({tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE})
_MAGIC: Final = slice(257, 262)


class Programs(dict[str, tuple[str, str]]):
    """By `Layer.key` the name of the first program and its architecture, as `image.program_header` has it.

    A layer without a program, or that nobody reads, is not there; `searched` are the keys of those that were read up to
    their first program, or to their end. Packing threads write it; read it when they have ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.searched: set[str] = set()

    def watch(self, layer: Layer) -> Layer:
        """Return a layer that notes its first program here when it is read."""
        return replace(layer, open=lambda: _Watched(layer.open(), layer.key, self))


class _Watched(Wrapper):
    def __init__(self, reader: Reader, key: str, programs: Programs) -> None:
        super().__init__(reader)
        self._key, self._programs = key, programs
        self._search = FirstProgram()

    def read(self, size: int = -1, /) -> bytes:
        data = self._reader.read(size)
        if not self._search.ended:
            self._search.feed(data)
            if self._search.found:
                self._programs[self._key] = self._search.found
        if self._search.ended or not data:
            self._programs.searched.add(self._key)
        return data


class FirstProgram:
    """Looks for the first executable file of a tar that passes by in pieces, and keeps no more of it than a header."""

    def __init__(self) -> None:
        self.found: tuple[str, str] | None = None
        """The name of the member and its architecture."""
        self.ended = False
        """True when there is nothing more to look for. A damaged tar is reported elsewhere, and ends the search."""
        self._skip = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        if self._skip >= len(data):
            self._skip -= len(data)
            return
        view, position = self._rest + data[self._skip :], 0
        self._skip, self._rest = 0, b""
        while not self.ended:
            if len(view) - position < tarfile.BLOCKSIZE + HEAD:
                self._rest = view[position:]
                return
            position += self._member(view, position)
            if position > len(view):
                self._skip = position - len(view)
                return

    def _member(self, view: bytes, position: int) -> int:
        """Look at the member whose header stands there, and return how long it is with its data."""
        header = view[position : position + tarfile.BLOCKSIZE]
        try:
            size, mode = tarfile.nti(header[124:136]), tarfile.nti(header[100:108])  # type: ignore[attr-defined]
        except tarfile.TarError:
            size = mode = -1
        if header[_MAGIC] != b"ustar" or size < 0:
            self.ended = True
            return 0
        kind = header[156:157]
        if kind in _FILES and mode & 0o111 and size >= HEAD:
            start = position + tarfile.BLOCKSIZE
            if architecture := architecture_in(view[start : start + HEAD]):
                name = header[:100].rstrip(b"\0").decode("utf-8", "replace")
                self.found, self.ended = (name.removeprefix("./").lstrip("/"), architecture), True
        data = 0 if kind in _WITHOUT_DATA else size
        return tarfile.BLOCKSIZE + data + -data % tarfile.BLOCKSIZE
