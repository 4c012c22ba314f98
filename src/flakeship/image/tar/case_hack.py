"""Store paths on a file system that does not tell `A` from `a`, as a Mac has: Nix keeps the second name there by a suffix.

https://github.com/NixOS/nix/blob/2.26.0/src/libutil/archive.cc, `use-case-hack`: the suffix and all behind it belong to the
file system alone. In an image they would be wrong names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flakeship.image.stream import Pieces
from flakeship.image.tar import files
from flakeship.image.tar.files import MakeHeader, Order, Status, Tree, by_bytes
from flakeship.image.tar.header import Kind

_SUFFIX: Final = re.compile(rb"~nix~case~hack~[^/]*")


def hashed(name: bytes, *, on_mac: bool = sys.platform == "darwin") -> bytes:
    """Return the name that Nix hashed of a file that has this one in the store of this machine."""
    return _SUFFIX.sub(b"", name) if on_mac else name


@dataclass(frozen=True, slots=True)
class _Spelled:
    name: bytes


class SpelledTree:
    """The files of this machine under the names that Nix hashed; in the order of those, too."""

    def __init__(self) -> None:
        self._real: dict[bytes, bytes] = {}
        """Where the files lie whose names are others there."""

    def walk(self, top: bytes, order: Order = by_bytes, /) -> Iterator[tuple[bytes, Kind]]:
        """Yield `top` and all below it, as `files.walk` does."""
        for path, kind in files.walk(top, lambda entry: order(_Spelled(_SUFFIX.sub(b"", entry.name)))):
            name = _SUFFIX.sub(b"", path)
            if name != path:
                self._real[name] = path
            yield name, kind

    def status(self, path: bytes, /) -> Status:
        """Return the status of a file, folder or symbolic link."""
        return files.status(self._real.get(path, path))

    def target_of(self, link: bytes, /) -> bytes:
        """Return where a symbolic link leads; what stands in it is no name of a file, and is left as it is."""
        return files.target_of(self._real.get(link, link))

    def file_pieces(self, path: bytes, header: MakeHeader, /, *, seen: Status | None = None) -> Pieces:
        """Yield header, content and padding, as `files.file_pieces` does."""
        real = self._real.get(path, path)
        return files.file_pieces(real, lambda _, info: header(path, info), seen=seen)


LOCAL: Final[Tree] = SpelledTree() if sys.platform == "darwin" else files
"""The store of this machine."""
