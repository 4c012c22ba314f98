"""The folder of the layer cache: blobs by digest, and for each name of a layer the blob that was packed of it.

Everything is written beside its place and renamed to it, so that several processes, and whoever carries the folder from
one machine to another, find whole files or none. The one used longest ago goes first.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from flakeship.image.document import decode_object, encode
from flakeship.image.model import Digest, digest_of, parse_digest
from flakeship.image.stream import sha256_of
from flakeship.leftovers.locks import new_file, sweep_files

_VERSION: Final = "1"
_ENTRY_LIMIT: Final = 4096
# docs/decisions.md#the-layer-cache-has-no-lock
_IN_USE: Final = 3600.0
"""Seconds. What was used so lately may be on its way somewhere by another process, and stays."""

# https://bford.info/cachedir/: backups and archivers leave such folders out
_TAG: Final = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n# Packed layers, made again where they are missing.\n"
)
_NO_LINK: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EACCES}
)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """The blob that a layer was packed to; `name` is the diff_id or the key of the layer."""

    name: str
    diff_id: Digest
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class KeptBlob:
    """A blob in the folder; `used` in seconds since 1970."""

    digest: str
    size: int
    used: float
    path: Path


class CacheFolder:
    """May raise OSError wherever it reads or writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._blobs = path / f"v{_VERSION}" / "blobs"
        self._entries = path / f"v{_VERSION}" / "layers"

    def entry(self, recipe: str, name: str) -> CacheEntry | None:
        """Return the blob that this recipe packed of the layer of this name. An entry that can't be read is removed."""
        path = self._entry_path(recipe, name)
        try:
            entry = _parsed(_read(path))
            if entry.name == name:
                return entry
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            pass
        _removed(path)
        return None

    def blob(self, digest: Digest, size: int, *, now: float) -> Path | None:
        """Return the path of the blob. A blob that has another digest is removed."""
        path = self._blob_path(digest)
        try:
            with _opened(path) as file:
                # docs/decisions.md#a-cached-blob-is-hashed-before-use
                whole = os.fstat(file.fileno()).st_size == size and sha256_of(file) == (digest, size)
        except FileNotFoundError:
            return None
        except ValueError:
            whole = False
        if not whole:
            _removed(path)
            return None
        with contextlib.suppress(OSError):  # read-only: then nobody removes it either
            os.utime(path, (now, now))
        return path

    def add(self, recipe: str, entries: list[CacheEntry], blob: Path, *, now: float) -> None:
        """Keep the blob at `blob`, which stays where it is, under these names."""
        self._blobs.mkdir(parents=True, exist_ok=True)
        tag = self.path / "CACHEDIR.TAG"
        if not tag.exists():
            _write(tag, _TAG)
        _link(blob, self._blob_path(entries[0].digest), now=now)
        for entry in entries:
            _write(self._entry_path(recipe, entry.name), _written(entry))

    def kept(self) -> list[KeptBlob]:
        """Return all blobs, the one used longest ago first."""
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self._blobs) as files:
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    info = file.stat()
                    found.append(
                        KeptBlob(f"sha256:{file.name}", info.st_size, info.st_mtime, Path(file.path))
                    )
        return sorted(found, key=lambda blob: (blob.used, blob.digest))

    def names(self) -> Iterator[CacheEntry]:
        """Yield all entries that can be read."""
        for path in sorted(self._entries.glob("*/*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                yield _parsed(_read(path))

    def shrink(self, room: int, *, now: float, spare: float = _IN_USE) -> int:
        """Remove blobs until those left have at most `room` bytes; the bytes that they have.

        What was used in the last `spare` seconds stays.
        """
        blobs = self.kept()
        total = sum(blob.size for blob in blobs)
        for blob in blobs:
            if total <= room:
                break
            if abs(now - blob.used) < spare:  # clocks differ: what is far in the future is old as well
                continue
            _removed(blob.path)
            total -= blob.size
        return total

    def sweep(self) -> None:
        """Remove what runs that were killed were writing here."""
        for folder in (self.path, self._blobs.parent, *self._entries.glob("*")):
            sweep_files(folder)

    def tidy(self) -> None:
        """Remove the names of blobs that are gone, and what runs that were killed left behind."""
        for path in self._entries.glob("*/*.json"):
            try:
                gone = not self._blob_path(_parsed(_read(path)).digest).exists()
            except FileNotFoundError:  # another run has removed it since it was listed
                continue
            except (ValueError, KeyError, TypeError):
                gone = True
            if gone:
                _removed(path)
        self.sweep()

    def _blob_path(self, digest: Digest) -> Path:
        return self._blobs / digest.removeprefix("sha256:")

    def _entry_path(self, recipe: str, name: str) -> Path:
        return self._entries / recipe / f"{hashlib.sha256(name.encode()).hexdigest()}.json"


def _opened(path: Path) -> FileIO:
    """ValueError for a pipe, which would be waited on for ever, and the like."""
    file = FileIO(path, opener=_without_waiting)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ValueError("it is no file")
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _read(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read(_ENTRY_LIMIT + 1)


def _written(entry: CacheEntry) -> bytes:
    """Return the entry as JSON with a checksum: a blob does not say which layer it came from, so a changed byte would go unnoticed."""
    document = asdict(entry)
    return encode({**document, "sum": digest_of(encode(document))})


def _parsed(data: bytes) -> CacheEntry:
    document = decode_object(data, limit=_ENTRY_LIMIT)
    if document.pop("sum") != digest_of(encode(document)):
        raise ValueError("it is not what was written")
    name, size = document["name"], document["size"]
    if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError("it is no entry")
    return CacheEntry(name, parse_digest(document["diff_id"]), _sha256(document["digest"]), size)


def _sha256(value: object) -> Digest:
    digest = parse_digest(value)
    if not digest.startswith("sha256:"):
        raise ValueError("it is no entry")
    return digest


def _link(blob: Path, path: Path, *, now: float) -> None:
    """Have the same file under another name, used now; a copy where that can't be."""
    times = now, now
    os.utime(blob, times)  # before it is seen, or who makes room there would take it for old
    try:
        os.link(blob, path)
    except FileExistsError:
        with contextlib.suppress(FileNotFoundError):  # removed at this very moment: then it is not kept
            os.utime(path, times)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        with _beside(path) as temporary:
            shutil.copyfile(blob, temporary)
            os.utime(temporary, times)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _beside(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A file that takes the place of `path` at the end of the block, and is removed if that fails."""
    folder = path.parent.parent if path.parent.name == "blobs" else path.parent
    handle, temporary = new_file(folder)
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        _removed(temporary)
        raise
    finally:
        os.close(handle)


def _removed(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
