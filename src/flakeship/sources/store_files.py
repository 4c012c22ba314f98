"""The files of the store that a result lies in: on this machine, or wherever else their NARs come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:  # what writes tars is imported where one is written
    from flakeship.image.stream import Pieces, Reader
    from flakeship.image.tar.files import Tree

Found: TypeAlias = Literal["file", "folder"]


# docs/decisions.md#sources-read-store-files-by-their-names
class StoreFiles(Protocol):
    """Files by their full names in the store, `/nix/store/…`; links are followed, also from one store path to another."""

    def kind(self, path: str) -> Found | None:
        """What a path leads to; None where nothing is there."""

    def is_program(self, path: str) -> bool:
        """Whether a path leads to a file that may be executed."""

    def names(self, folder: str) -> list[bytes]:
        """What a folder holds, in the order of bytes. OSError for what is no folder."""

    def real(self, path: str) -> str:
        """Where a path leads to."""

    def is_inside(self, path: str, store: str) -> bool:
        """Whether a path lies in the folder `store`, also behind links: a flake names it, and we may read more than its author."""

    def names_inside(self, path: str, store: str) -> bool:
        """Whether a path is the name of something in the folder `store`: it may be a link that leads elsewhere."""

    def is_there(self, path: str) -> bool:
        """Whether a path names something, be it a link that leads to nothing."""

    def here(self, path: str) -> Path:
        """Where a file or folder can be opened on this machine. What it leads to may be a copy, which lasts as long as the run."""

    def tar_of(self, paths: Sequence[str]) -> Reader:
        """Open the tar of these store paths in the recipe of packages."""

    def tar_by(self, write: Callable[[Tree], Pieces], paths: Sequence[str]) -> Reader:
        """Open the tar that `write` makes of these paths."""


class LocalFiles:
    """Those of this machine, which lie where they say."""

    def kind(self, path: str) -> Found | None:
        """What a path leads to; None where nothing is there."""
        place = Path(path)
        return "folder" if place.is_dir() else "file" if place.is_file() else None

    def is_program(self, path: str) -> bool:
        """Whether a path leads to a file that may be executed."""
        return Path(path).is_file() and os.access(path, os.X_OK)

    def names(self, folder: str) -> list[bytes]:
        """What a folder holds, in the order of bytes. OSError for what is no folder."""
        return sorted(os.listdir(os.fsencode(folder)))  # noqa: PTH208  names as bytes

    def real(self, path: str) -> str:
        """Where a path leads to."""
        return os.path.realpath(path)

    def is_inside(self, path: str, store: str) -> bool:
        """Whether a path lies in the folder `store`, also behind links."""
        return Path(path).resolve().is_relative_to(Path(store).resolve())

    def names_inside(self, path: str, store: str) -> bool:
        """Whether a path is the name of something in the folder `store`."""
        top = os.path.realpath(store) + "/"
        folder, _, last = path.rpartition("/")
        real = os.path.join(os.path.realpath(folder), last)  # noqa: PTH118  a link at the end stays one
        return os.path.isabs(path) and last not in {"", ".", ".."} and real.startswith(top)  # noqa: PTH117

    def is_there(self, path: str) -> bool:
        """Whether a path names something."""
        return os.path.lexists(path)

    def here(self, path: str) -> Path:
        """The path itself."""
        return Path(path)

    def tar_of(self, paths: Sequence[str]) -> Reader:
        """Open the tar of these store paths in the recipe of packages."""
        from flakeship.image.tar import writer

        return writer.tar_of(paths)

    def tar_by(self, write: Callable[[Tree], Pieces], paths: Sequence[str]) -> Reader:
        """Open the tar that `write` makes of these paths."""
        from flakeship.image.stream import Joined
        from flakeship.image.tar.case_hack import LOCAL

        return Joined(write(LOCAL))


LOCAL: Final = LocalFiles()
