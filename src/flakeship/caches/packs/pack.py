"""A pack that is being filled: compressed NARs, one behind the other, in a file."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship.caches.nar_entry import NarEntry, PathInfo
from flakeship.image.model import Digest
from flakeship.image.stream import CHUNK, Reader, chunks
from flakeship.image.zstd_frame import zstd_frame

PACK_SIZE: Final = 64 * 1024 * 1024
"""Bytes of a pack at most, unless it holds a single NAR."""

LEVEL: Final = 3
_IN_MEMORY: Final = 4 * 1024 * 1024


class WrongNarError(ValueError):
    """The hash or the size of a NAR differs from those in Nix's database."""


@dataclass(frozen=True, slots=True)
class CompressedNar:
    """A compressed NAR and the entry for it. `file` stands at the beginning of `entry.frame_size` bytes."""

    entry: NarEntry
    file: Reader


@contextlib.contextmanager
def compressed(
    info: PathInfo, nar: Iterable[bytes], *, folder: Path, level: int = LEVEL
) -> Iterator[CompressedNar]:
    """Compress the NAR of a path. WrongNarError unless it has the hash and the size that `info` states."""
    plain, packed, sizes = hashlib.sha256(), hashlib.sha256(), [0, 0]

    def counted() -> Iterator[bytes]:
        for data in nar:
            plain.update(data)
            sizes[0] += len(data)
            yield data

    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder)) as file:
        for data in zstd_frame(counted(), level=level):
            packed.update(data)
            sizes[1] += len(data)
            file.write(data)
        if (plain.digest(), sizes[0]) != (info.nar_hash, info.nar_size):
            raise WrongNarError(
                f"the files of {info.path} do not have the hash that Nix's database states: they were changed, or are damaged"
            )
        file.seek(0)
        entry = NarEntry(
            path=info.path,
            nar_hash=info.nar_hash,
            nar_size=info.nar_size,
            references=info.references,
            deriver=info.deriver,
            ca=info.ca,
            sigs=info.sigs,
            frame=packed.digest(),
            frame_size=sizes[1],
        )
        yield CompressedNar(entry, file)


class Pack:
    """A pack in a file of `folder`."""

    def __init__(self, folder: Path) -> None:
        with tempfile.NamedTemporaryFile(prefix="pack-", dir=folder, delete=False) as file:
            self.path = Path(file.name)
        self._file = self.path.open("wb")
        self._hash = hashlib.sha256()
        self.size = 0
        self.entries: list[tuple[NarEntry, int]] = []
        """What it holds, and where in it each frame begins."""

    def has_room(self, size: int) -> bool:
        """Tell whether so many bytes may be added; anything may be to an empty pack."""
        return not self.size or self.size + size <= PACK_SIZE

    def add(self, nar: CompressedNar) -> None:
        """Append a NAR. OSError where the disk is full: then the pack is of no use any more."""
        offset = self.size
        for data in chunks(nar.file, CHUNK):
            self._file.write(data)
            self._hash.update(data)
            self.size += len(data)
        self.entries.append((nar.entry, offset))

    def pad(self, data: bytes) -> None:
        """Append bytes that belong to no frame. OSError as for `add`."""
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def close(self) -> Digest:
        """Return the digest of the whole pack."""
        self._file.close()
        return Digest(f"sha256:{self._hash.hexdigest()}")

    def remove(self) -> None:
        """Remove the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)
