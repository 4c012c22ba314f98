"""Reading NARs, Nix's own archives, forward and without trust: every length, name and order is checked before it counts.

https://nix.dev/manual/nix/latest/protocols/nix-archive. Only the one spelling that Nix itself writes is read, so that a
NAR and what is read of it stand for each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.image.stream import CHUNK, Pieces, Reader
from flakeship.image.tar.header import Kind

_STEP: Final = 64 * 1024
"""Bytes that are read ahead: what a pipe holds."""

NAME: Final = 255
"""Bytes that a file system has room for in a name."""
PATH: Final = 4095
"""Bytes of a path below the store path, and of a link's target: Linux takes no longer ones."""
_LARGEST: Final = 1 << 62


class DamagedNarError(NotAnImageError):
    """It is cut off, or its bytes are not those that Nix writes; the message says which."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link. `path` is relative to the top, which is empty; `size` is in bytes.

    `program` is True for a file that may be executed; `target` is where a link leads.
    """

    path: bytes
    kind: Kind
    size: int = 0
    program: bool = False
    target: bytes = b""


def _token(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text + bytes(-len(text) % 8)


def _tokens(*texts: bytes) -> bytes:
    return b"".join(map(_token, texts))


_MAGIC: Final = _token(b"nix-archive-1")
_NODE: Final = _tokens(b"(", b"type")
_ENTRY: Final = _tokens(b"(", b"name")
_BELOW: Final = _token(b"node")
_CLOSE: Final = _token(b")")
_PROGRAM: Final = _token(b"")


class NarReader:
    """Yields the entries of one NAR: each folder before what it holds, names in the order of their bytes.

    Of a file's content, what `content` is not asked for is passed over. DamagedNarError where `reader` holds anything but
    one whole NAR.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._buffer, self._at = b"", 0
        self._left = 0

    def __iter__(self) -> Iterator[Entry]:
        self._expect(_MAGIC)
        folders: list[bytes] = []
        """Those around the next entry, and for each the last name that was read in it."""
        last: list[bytes] = []
        entry = self._node(b"")
        while True:
            yield entry
            if entry.kind == "file":
                for _ in self.content():
                    pass
            if entry.kind == "folder":
                folders.append(entry.path)
                last.append(b"")
            else:
                self._expect(_CLOSE)
                if not self._up(folders):
                    break
            while (word := self._text(NAME)) == b")":
                folders.pop()
                last.pop()
                if not self._up(folders):
                    break
            else:
                if word != b"entry":
                    raise DamagedNarError(f"it has {word[:20]!r} in place of an entry")
                entry = self._entry(folders[-1], last)
                continue
            break
        if self._take(1, least=0):
            raise DamagedNarError("it goes on behind its end")

    def content(self) -> Pieces:
        """Yield what is left of the content of the file that was yielded last, in pieces of any size."""
        room = None
        while self._left:
            piece = self._take(min(self._left, room or CHUNK), least=1)
            self._left -= len(piece)
            if not self._left:
                self._pad()
            room = yield piece

    def _up(self, folders: list[bytes]) -> bool:
        """End the entry that was read; False where that was the top."""
        if not folders:
            return False
        self._expect(_CLOSE)
        return True

    def _entry(self, folder: bytes, last: list[bytes]) -> Entry:
        self._expect(_ENTRY)
        name = self._text(NAME)
        if name in {b"", b".", b".."} or b"/" in name or b"\0" in name:
            raise DamagedNarError(f"it holds the name {name!r}, which no file can have")
        if name <= last[-1]:
            raise DamagedNarError(f"the names {last[-1]!r} and {name!r} in it are out of order")
        last[-1] = name
        path = folder + b"/" + name if folder else name
        if len(path) > PATH:
            raise DamagedNarError("it holds a path that is too long for a file system")
        self._expect(_BELOW)
        return self._node(path)

    def _node(self, path: bytes) -> Entry:
        self._expect(_NODE)
        kind = self._text(NAME)
        if kind == b"directory":
            return Entry(path, "folder")
        if kind == b"symlink":
            if self._text(NAME) != b"target":
                raise DamagedNarError("it holds a link without a target")
            target = self._text(PATH)
            if not target or b"\0" in target:
                raise DamagedNarError(f"it holds a link to {target[:100]!r}")
            return Entry(path, "symlink", target=target)
        if kind != b"regular":
            raise DamagedNarError(f"it holds a file of the type {kind[:20]!r}")
        word = self._text(NAME)
        program = word == b"executable"
        if program:
            self._expect(_PROGRAM)
            word = self._text(NAME)
        if word != b"contents":
            raise DamagedNarError("it holds a file without a content")
        self._left = size = self._number()
        self._size = size
        return Entry(path, "file", size, program)

    def _number(self) -> int:
        number = int.from_bytes(self._exactly(8), "little")
        if number > _LARGEST:
            raise DamagedNarError(f"it states a length of {number} bytes")
        return number

    def _text(self, most: int) -> bytes:
        size = self._number()
        if size > most:
            raise DamagedNarError(f"it holds a word of {size} bytes, where {most} are the most")
        data = self._exactly(size + -size % 8)
        if any(data[size:]):
            raise DamagedNarError("its padding is not zero")
        return data[:size]

    def _pad(self) -> None:
        if any(self._exactly(-self._size % 8)):
            raise DamagedNarError("its padding is not zero")

    def _expect(self, tokens: bytes) -> None:
        if self._exactly(len(tokens)) != tokens:
            raise DamagedNarError("its bytes are not those that Nix writes")

    def _exactly(self, size: int) -> bytes:
        end = self._at + size
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        return self._take(size, least=size)

    def _take(self, size: int, *, least: int) -> bytes:
        """Return at most `size` bytes. DamagedNarError where fewer than `least` are left."""
        data = self._buffer[self._at : self._at + size]
        self._at += len(data)
        while len(data) < max(1, least):
            missing = size - len(data)
            if missing >= _STEP:  # of a large file: as it comes
                piece = self._reader.read(missing)
                data += piece
            else:
                self._buffer = piece = self._reader.read(_STEP)
                self._at = min(missing, len(piece))
                data += piece[: self._at]
            if not piece:
                if len(data) < least:
                    raise DamagedNarError("it is cut off")
                break
        return data
