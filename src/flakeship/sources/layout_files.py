"""The files of an image layout by their names in it: in a folder, or in a tar, at its root or in one folder of it."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

from flakeship.errors import NotAnImageError
from flakeship.image.layout import BLOBS, INDEX_FILE, LAYOUT_FILE
from flakeship.image.stream import Reader
from flakeship.image.tar.members import Members
from flakeship.image.tar.reader import shown

DOCKER_MANIFEST: Final = "manifest.json"
"""What `docker load` reads, in an archive that may be a layout too."""


class Files(Protocol):
    """Files by name."""

    def size(self, name: str) -> int | None:
        """The size in bytes; None where there is no such file."""

    def open(self, name: str) -> Reader:
        """Open a file that is there."""


class FolderFiles:
    """The files of a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self, name: str) -> int | None:
        """The size in bytes; None where there is no such file."""
        try:
            found = (self._path / name).stat()
        except OSError:
            return None
        # whoever opens a pipe waits for a writer
        return found.st_size if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) else None

    def open(self, name: str) -> Reader:
        """Open a file that is there."""
        return (self._path / name).open("rb", buffering=0)


class TarFiles:
    """The files of a tar, or of one folder in it, read where they lie. Errors as by Members."""

    def __init__(self, path: Path) -> None:
        self._members = Members(path)
        self.folder = ""
        """The folder in the tar that names are relative to."""

    def layouts(self) -> list[str]:
        """The folders of the tar that are image layouts, as by `layouts_among`."""
        return layouts_among(self._members.names())

    def size(self, name: str) -> int | None:
        """The size in bytes; None where there is no such file."""
        member = self._members.find(self._name(name))
        return None if member is None else member.size

    def open(self, name: str) -> Reader:
        """Open a file that is there."""
        member = self._members.find(self._name(name))
        assert member, "whoever opens a file has seen that it is there"
        return self._members.open(member)

    def _name(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


def layouts_among(names: Iterable[str]) -> list[str]:
    """The folders that are image layouts of a tar with these members. "" is its root, and then the only one.

    Skopeo and crane ask for no `oci-layout`, so an index beside blobs is one, too. The root of docker's own archive
    is not a layout, unless it has an `oci-layout`.
    """
    there = set(names)
    if LAYOUT_FILE in there or DOCKER_MANIFEST in there:
        return [""] if LAYOUT_FILE in there else []
    with_blobs = {name[:place] for name in there if (place := f"/{name}".find(f"/{BLOBS}/")) >= 0}
    folders = {name.removesuffix(INDEX_FILE) for name in there if f"/{name}".endswith(f"/{INDEX_FILE}")}
    found = {folder for folder in folders if f"{folder}{LAYOUT_FILE}" in there or folder in with_blobs}
    return [""] if "" in found else sorted(folder.rstrip("/") for folder in found)


def one_layout(folders: Sequence[str], what: str) -> str:
    """Return the one folder that is a layout. NotAnImageError where there are more."""
    if len(folders) > 1:
        listed = ", ".join(map(shown, folders[:10]))
        raise NotAnImageError(
            f"{what} holds {len(folders)} image layouts, in the folders {listed}",
            hint="unpack the archive, and set `source` to the folder of one",
        )
    return folders[0]
