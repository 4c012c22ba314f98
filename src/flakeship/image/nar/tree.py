"""A store path that was brought here as a NAR: its contents in one file, its names in memory, and none of them on a file system.

So a NAR can't write through a link of its own, and names may differ in case alone or be no text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from flakeship.errors import NotAnImageError, ResourceError
from flakeship.image.nar.reader import NarReader
from flakeship.image.stream import CHUNK, Pieces, Reader
from flakeship.image.tar.blocks import Bounded
from flakeship.image.tar.files import MakeHeader, Order, Status, by_bytes
from flakeship.image.tar.header import Kind, padding

_MODES: Final[Mapping[tuple[Kind, bool], int]] = {
    ("file", False): 0o444,
    ("file", True): 0o555,
    ("folder", False): 0o555,
    ("symlink", False): 0o777,
}
"""What Nix gives to all in its store."""


@dataclass(slots=True)
class Node:
    """A file, folder or link. `offset` is where a file's content begins; `st_mode` holds the permissions alone."""

    name: bytes
    kind: Kind
    st_mode: int
    st_size: int = 0
    offset: int = 0
    target: bytes = b""
    children: dict[bytes, Node] = field(default_factory=dict)

    @property
    def st_mtime_ns(self) -> int:
        return 1_000_000_000

    @property
    def is_program(self) -> bool:
        """Whether it may be executed."""
        return self.kind == "file" and bool(self.st_mode & 0o100)


class NarTree:
    """`file` holds the contents of all files, one behind the other: where the path is one file, just that."""

    def __init__(self, file: Path, top: Node) -> None:
        self.file, self.top = file, top

    @classmethod
    def brought(cls, nar: Reader, file: Path) -> NarTree:
        """Read a NAR to its end into the new file. DamagedNarError, ResourceError where the disk takes no more."""
        try:
            with file.open("xb") as out:
                return cls(file, _read(nar, out))
        except OSError as error:
            raise ResourceError(
                f"can't keep what comes from another store in {file.parent}: {error.strerror}",
                hint="free some space there, or set TMPDIR to a folder on a larger disk",
            ) from error

    def open(self, node: Node) -> Reader:
        """Open the content of a file of this tree."""
        file = self.file.open("rb", buffering=0)
        file.seek(node.offset)
        return Bounded(file, node.st_size, own=True)


class NarTrees:
    """Several trees, each below its store path: what a writer of tar takes for files of the store."""

    def __init__(self, trees: Mapping[bytes, NarTree]) -> None:
        self._trees = trees

    def walk(self, top: bytes, order: Order = by_bytes, /) -> Iterator[tuple[bytes, Kind]]:
        """Yield `top` and all below it, as `files.walk` does."""
        waiting = [(top, self._found(top)[1])]
        while waiting:
            path, node = waiting.pop()
            yield path, node.kind
            below = sorted(node.children.values(), key=order, reverse=True)
            waiting += [(path + b"/" + child.name, child) for child in below]

    def status(self, path: bytes, /) -> Status:
        """Return mode and size."""
        return self._found(path)[1]

    def target_of(self, link: bytes, /) -> bytes:
        """Return where a symbolic link leads."""
        return self._found(link)[1].target

    def file_pieces(self, path: bytes, header: MakeHeader, /, *, seen: Status | None = None) -> Pieces:
        """Yield header, content and padding, as `files.file_pieces` does; nothing changes that was brought here."""
        tree, node = self._found(path)
        room = (yield header(path, node)) or CHUNK
        with closing(tree.open(node)) as reader:
            left = node.st_size
            while left:
                data = reader.read(min(left, room))
                left -= len(data)
                room = (yield data) or CHUNK
        if rest := padding(node.st_size):
            yield rest

    def _found(self, path: bytes) -> tuple[NarTree, Node]:
        top = next((top for top in self._trees if path == top or path.startswith(top + b"/")), None)
        if top is None:
            raise _missing(path)
        tree = self._trees[top]
        node = tree.top
        for name in path[len(top) + 1 :].split(b"/") if path != top else ():
            found = node.children.get(name)
            if found is None:
                raise _missing(path)
            node = found
        return tree, node


def _missing(path: bytes) -> NotAnImageError:
    return NotAnImageError(
        f"the image needs {ascii(os.fsdecode(path))[1:-1]}, which is not in the store that it was built in",
        hint="correct the document that names it: an image is made of store paths only",
    )


def _read(nar: Reader, out: BinaryIO) -> Node:
    reader = NarReader(nar)
    folders: dict[bytes, Node] = {}
    top: Node | None = None
    offset = 0
    for entry in reader:
        above, _, name = entry.path.rpartition(b"/")
        node = Node(
            name, entry.kind, _MODES[entry.kind, entry.program], entry.size, offset, target=entry.target
        )
        if top is None:
            top = node
        else:
            folders[above].children[name] = node
        if entry.kind == "folder":
            folders[entry.path] = node
        for piece in reader.content():
            out.write(piece)
            offset += len(piece)
    assert top, "a NAR without a top is damaged"
    return top
