"""A store path that was brought here as a NAR: its contents in one file, its names in memory, and none of them on a file system.

So a NAR can't write through a link of its own, and names may differ in case alone or be no text.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

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
    """A file, folder or link. `offset` is where a file's content begins, which may be in an own `file`; `st_mode` holds the permissions alone."""

    name: bytes
    kind: Kind
    st_mode: int
    st_size: int = 0
    offset: int = 0
    file: Path | None = None
    target: bytes = b""
    children: dict[bytes, Node] = field(default_factory=dict)

    @property
    def st_mtime_ns(self) -> int:
        return 1_000_000_000

    @property
    def is_program(self) -> bool:
        """Whether it may be executed."""
        return self.kind == "file" and bool(self.st_mode & 0o100)


_LARGE: Final = 8 << 20
"""Bytes of a file in a folder that is kept by itself, so that whoever wants it as a file gets no second copy."""


class NarTree:
    """`file` holds the contents of all files, one behind the other: where the path is one file, just that.

    Large files of a folder lie beside it.
    """

    def __init__(self, file: Path, top: Node) -> None:
        self.file, self.top = file, top

    @classmethod
    def brought(cls, nar: Reader, file: Path) -> NarTree:
        """Read a NAR to its end into the new file. DamagedNarError, ResourceError where the disk takes no more."""
        try:
            return cls(file, _read(nar, file))
        except OSError as error:
            raise ResourceError(
                f"can't keep what comes from another store in {file.parent}: {error.strerror}",
                hint="free some space there, or set TMPDIR to a folder on a larger disk",
            ) from error

    def open(self, node: Node) -> Reader:
        """Open the content of a file of this tree."""
        file = (node.file or self.file).open("rb", buffering=0)
        file.seek(node.offset)
        return Bounded(file, node.st_size, own=True)

    def write(self, node: Node, place: Path) -> None:
        """Let a file of this tree be at `place`, with its permissions. OSError where that can't be made."""
        try:
            if node.file is None:
                raise FileNotFoundError
            os.link(node.file, place)
        except OSError:  # or a file system without hard links
            with self.open(node) as source, place.open("xb") as file:
                shutil.copyfileobj(source, file, CHUNK)
        place.chmod(node.st_mode)

    def remove(self) -> None:
        """Remove what was brought."""
        waiting = [self.top]
        while waiting:
            node = waiting.pop()
            waiting += node.children.values()
            if node.file is not None:
                node.file.unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)


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


def _read(nar: Reader, file: Path) -> Node:
    reader = NarReader(nar)
    folders: dict[bytes, Node] = {}
    top: Node | None = None
    apart = 0
    with file.open("xb") as together:
        for entry in reader:
            above, _, name = entry.path.rpartition(b"/")
            mode = _MODES[entry.kind, entry.program]
            node = Node(name, entry.kind, mode, entry.size, together.tell(), target=entry.target)
            if top is None:
                top = node
            else:
                folders[above].children[name] = node
            if entry.kind == "folder":
                folders[entry.path] = node
            elif node is not top and entry.size >= _LARGE:
                node.file, node.offset = file.with_name(f"{file.name}-{apart}"), 0
                apart += 1
                with node.file.open("xb") as out:
                    out.writelines(reader.content())
            together.writelines(reader.content())
    assert top, "a NAR without a top is damaged"
    return top
