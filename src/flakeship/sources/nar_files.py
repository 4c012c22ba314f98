"""The files of a store that hands out NARs: what must be known of a path is brought here once, what is packed passes through."""

from __future__ import annotations

import contextlib
import itertools
import os
import posixpath
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from flakeship.errors import NotAnImageError
from flakeship.image.nar.reader import DamagedNarError
from flakeship.image.nar.tar import members_of_nar, tar_of_nars
from flakeship.image.nar.tree import NarTree, NarTrees, Node
from flakeship.image.stream import Joined, Pieces, Reader
from flakeship.image.tar.files import Tree
from flakeship.image.tar.writer import members_of
from flakeship.sources.store_files import Found
from flakeship.store_paths import store_path_of

OpenNars: TypeAlias = "Callable[[Sequence[str]], Generator[Reader, None, None]]"
"""Yields the NARs of these store paths one after the other; each is read to its end before the next is asked for."""

_MOST_LINKS: Final = 40
_LINKS_COPIED: Final = 4
"""Links on the way to a file that is copied: one that leads to a folder above it has no end."""


def damaged_there(path: str, error: DamagedNarError) -> NotAnImageError:
    """The error for a NAR of a store on another machine."""
    return NotAnImageError(
        f"the NAR of {path} is damaged: {error.message}",
        hint="run `nix-store --verify --check-contents --repair` where the store lies, and run again",
    )


@dataclass
class NarFiles:
    """`open_nars` knows the paths of `known`, and no others; `folder` is private, and outlives whatever is opened.

    Methods raise NotAnImageError for a path that is not known, what `damaged` makes of a path whose NAR is damaged, and
    what `open_nars` raises.
    """

    open_nars: OpenNars
    known: Callable[[str], bool]
    folder: Path
    damaged: Callable[[str, DamagedNarError], Exception] = damaged_there
    _brought: dict[str, NarTree] = field(default_factory=dict, init=False, repr=False)
    _copies: dict[str, Path] = field(default_factory=dict, init=False, repr=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False, repr=False)
    _lock: Any = field(default_factory=threading.RLock, init=False, repr=False)

    def kind(self, path: str) -> Found | None:
        """What a path leads to; None where nothing is there."""
        found = self._followed(path)[1]
        if found is None or found.kind == "symlink":
            return None
        return "folder" if found.kind == "folder" else "file"

    def is_program(self, path: str) -> bool:
        """Whether a path leads to a file that may be executed."""
        found = self._followed(path)[1]
        return found is not None and found.is_program

    def names(self, folder: str) -> list[bytes]:
        """What a folder holds, in the order of bytes. OSError for what is no folder."""
        found = self._followed(folder)[1]
        if found is None or found.kind != "folder":
            raise NotADirectoryError(folder)
        return sorted(found.children)

    def real(self, path: str) -> str:
        """Where a path leads to."""
        return self._followed(path)[0]

    def is_inside(self, path: str, store: str) -> bool:
        """Whether a path lies in the folder `store`, also behind links."""
        return self.real(path).startswith(f"{store}/")

    def names_inside(self, path: str, store: str) -> bool:
        """Whether a path is the name of something in the folder `store`."""
        return path.startswith(f"{store}/") and not {"", ".", ".."} & set(path[1:].split("/"))

    def is_there(self, path: str) -> bool:
        """Whether a path names something; of what lies in a store path, it is found out when that is read."""
        return self.known(store_path_of(path))

    def here(self, path: str) -> Path:
        """A copy of a file or folder; of a folder without what its links lead to."""
        with self._lock:
            real, found = self._followed(path)
            if found is None:
                raise NotAnImageError(
                    f"{path} leads to nothing in the store that it was built in",
                    hint="correct the builder, or name another attribute",
                )
            tree = self._tree(store_path_of(real))
            if found is tree.top and found.kind == "file":
                tree.file.chmod(0o555 if found.is_program else 0o444)
                return tree.file
            if real not in self._copies:
                copy = self._new("copy")
                self._copy(real, found, copy)
                self._copies[real] = copy
            return self._copies[real]

    def whole_store_path(self, path: str) -> str:
        """The last store path that `path` leads to and is all of, as `store_paths.whole_store_path` has it."""
        found = path
        for _ in range(_MOST_LINKS):
            if not self.known(found) or (node := self._tree(found).top).kind != "symlink":
                break
            ahead = posixpath.normpath(posixpath.join(posixpath.dirname(found), os.fsdecode(node.target)))
            if store_path_of(ahead) != ahead:
                break
            found = ahead
        return found

    def tar_of(self, paths: Sequence[str]) -> Reader:
        """Open the tar of these store paths; what was not brought here comes while it is read."""
        return tar_of_nars(paths, self._members)

    def tar_by(self, write: Callable[[Tree], Pieces], paths: Sequence[str]) -> Reader:
        """Open the tar that `write` makes of these paths: it may want them in another order, so they are brought here first."""
        return Joined(self._written(write, paths))

    def _members(self, tops: Sequence[bytes]) -> Pieces:
        names = [os.fsdecode(top) for top in tops]
        absent = [name for name in names if name not in self._brought]
        with contextlib.closing(self.open_nars(absent)) as coming:
            for top, name in zip(tops, names, strict=True):
                if name in absent:
                    with self._named(name):
                        yield from members_of_nar(top, next(coming))
                else:
                    yield from members_of(top, NarTrees({top: self._brought[name]}))
            next(coming, None)  # so that it knows that the last was read to its end

    def _written(self, write: Callable[[Tree], Pieces], paths: Sequence[str]) -> Pieces:
        tops = list(dict.fromkeys(filter(None, map(store_path_of, paths))))
        fresh = [top for top in tops if top not in self._brought]
        trees: dict[bytes, NarTree] = {
            os.fsencode(top): self._brought[top] for top in tops if top in self._brought
        }
        made: list[NarTree] = []
        try:
            with contextlib.closing(self.open_nars(fresh)) as coming:
                for name, nar in zip(fresh, coming, strict=True):
                    with self._named(name):
                        made.append(NarTree.brought(nar, self._new("nar")))
                    trees[os.fsencode(name)] = made[-1]
            yield from write(NarTrees(trees))
        finally:
            for tree in made:
                tree.remove()

    def _followed(self, path: str) -> tuple[str, Node | None]:
        """Where a path leads to, and what is there: None where that is nothing, or not in the store."""
        ahead = posixpath.normpath(path)
        for _ in range(_MOST_LINKS):
            top = store_path_of(ahead)
            if not top or not self.known(top):
                return ahead, None
            node: Node | None = self._tree(top).top
            passed = top
            parts = [part for part in ahead[len(top) :].split("/") if part]
            while node is not None and node.kind != "symlink" and parts:
                name = parts.pop(0)
                node = node.children.get(os.fsencode(name))
                passed = f"{passed}/{name}"
            if node is None or node.kind != "symlink":
                return "/".join((passed, *parts)), node
            target = posixpath.join(posixpath.dirname(passed), os.fsdecode(node.target))
            ahead = posixpath.normpath(posixpath.join(target, *parts))
        return ahead, None

    def _tree(self, top: str) -> NarTree:
        with self._lock:
            if top not in self._brought:
                with contextlib.closing(self.open_nars([top])) as coming:
                    for nar in coming:
                        with self._named(top):
                            self._brought[top] = NarTree.brought(nar, self._new("brought"))
            return self._brought[top]

    @contextlib.contextmanager
    def _named(self, path: str) -> Iterator[None]:
        """Say which path it is whose NAR is damaged."""
        try:
            yield
        except DamagedNarError as error:
            raise self.damaged(path, error) from error

    def _new(self, what: str) -> Path:
        self.folder.mkdir(mode=0o755, exist_ok=True)
        return self.folder / f"{what}-{next(self._numbers)}"

    def _copy(self, real: str, node: Node, place: Path, links: int = 0) -> None:
        """Write a file, or a folder with all below it. Instead of a link what it leads to is written, if the store holds that."""
        tree = self._tree(store_path_of(real))
        if node.kind == "symlink":
            ahead, found = self._followed(real)
            if found is not None and links < _LINKS_COPIED:
                self._copy(ahead, found, place, links + 1)
        elif node.kind == "folder":
            place.mkdir()
            for name, child in node.children.items():
                text = os.fsdecode(name)
                self._copy(f"{real}/{text}", child, place / text, links)
        else:
            tree.write(node, place)
