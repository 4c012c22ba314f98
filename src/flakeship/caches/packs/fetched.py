"""What has come of a pack: a file without a name, in which each byte stands where it stands in the pack."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO, cast

from flakeship.image.model import Digest
from flakeship.image.stream import Stream


class FetchedPack:
    """A pack of which some blocks are in a file without a name. It is closed when nobody reads from it any more."""

    def __init__(self, digest: Digest, size: int, folder: Path) -> None:
        self.digest, self.size = digest, size
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - it outlives this block
        self.blocks: dict[int, Future[None]] = {}
        self.behind, self.run, self.requests = -1, 0, 0
        """The block behind the last run, how many that run had, and how many runs there were."""

    def __del__(self) -> None:
        self._file.close()

    def write(self, data: bytes, place: int) -> None:
        """Write all of it, or OSError."""
        while data:
            count = os.pwrite(self._file.fileno(), data, place)
            data, place = data[count:], place + count

    def read(self, place: int, size: int) -> bytes:
        """Return these bytes, which have come."""
        return os.pread(self._file.fileno(), size, place)

    @property
    def file(self) -> BinaryIO:
        """The file, in which each byte stands where it stands in the pack."""
        return cast("BinaryIO", self._file)


class Section(Stream):
    """A part of a pack, all of which has come. It is an `InFile`."""

    def __init__(self, pack: FetchedPack, place: int, length: int) -> None:
        super().__init__()
        self._pack, self._place, self._left = pack, place, length

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._pack.read(self._place, wanted)
        self._place, self._left = self._place + len(data), self._left - len(data)
        return data

    def in_file(self) -> tuple[BinaryIO, int]:
        """Return the file that it is a part of, and where in it the next byte is."""
        return self._pack.file, self._place
