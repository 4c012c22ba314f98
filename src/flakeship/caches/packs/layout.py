"""Roots in an OCI image layout, a folder that a CI cache keeps: the same manifests and blobs as in a registry."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from flakeship import events
from flakeship.caches.packs.recovery import roots_left_in
from flakeship.caches.packs.repository import GoneError, check_others
from flakeship.caches.packs.root import is_root
from flakeship.destinations.oci_layout.folder import LayoutFolder
from flakeship.errors import ResourceError
from flakeship.image.document import DOCUMENT_LIMIT
from flakeship.image.layout import INDEX_FILE, REF_NAME
from flakeship.image.media_types import OCI
from flakeship.image.model import Descriptor, Digest, digest_of, parse_digest
from flakeship.image.stream import Reader
from flakeship.printable import counted

_ORPHAN_SECONDS: Final = 86400.0
"""After a day a blob that nothing lists is not being written any more."""


@dataclass(frozen=True, slots=True)
class _Stored:
    data: bytes
    digest: Digest


class LayoutRepository:
    """A folder, made when the first root is written."""

    def __init__(self, directory: Path, *, emit: events.Emit = events.ignore) -> None:
        self._emit = emit
        self._beginning = threading.Lock()
        self._begun = False
        self.is_damaged = False
        self._folder = LayoutFolder(
            directory, named="nix-cache: oci:DIR", emit=emit, recovered=self._recovered
        )

    @property
    def name(self) -> str:
        """The name in messages: `oci:DIR`."""
        return self._folder.name

    @property
    def moved(self) -> float:
        """The present: a disk is never taken for dead."""
        return time.monotonic()

    @property
    def time(self) -> float | None:
        """A folder has no clock."""
        return None

    def check(self) -> None:
        """UsageError if the folder holds something else than a cache. OSError if it can't be read."""
        self._folder.check_content()

    def tags(self) -> Sequence[str]:
        """Return all tags; none where there is no such folder yet."""
        return [tag for entry in self._entries() if (tag := _tag_of(entry))]

    def manifest(self, tag: str) -> _Stored | None:
        """Return what a tag names, None without it."""
        digest = self.named(tag)
        if digest is None:
            return None
        data = self._read(digest, DOCUMENT_LIMIT + 1)
        if digest_of(data) != digest:
            raise GoneError(f"the manifest of {self.name}:{tag} is damaged")
        return _Stored(data, digest)

    def put(self, tag: str, manifest: bytes, *, instead_of: Digest | None) -> bool:
        """Let index.json list this manifest under a tag. False if it lists another one than `instead_of`, GoneError if a blob of it is missing."""
        self._begin()
        descriptor = Descriptor.of(OCI.manifest, manifest)
        with self._folder.locked():
            if self.named(tag) != instead_of:
                return False
            self._folder.write(self._folder.blob(descriptor.digest), manifest)
            needed = self._folder.reachable([descriptor.to_json()])
            if gone := [digest for digest in needed if not self._folder.blob(digest).exists()]:
                raise GoneError(f"{self.name} misses {gone[0]}")
            self._folder.put_entry(tag, descriptor.to_json())
            self.is_damaged = False
        return True

    def named(self, tag: str) -> Digest | None:
        """Return the digest of what a tag names, None without it."""
        entries = (entry for entry in self._entries() if _tag_of(entry) == tag)
        return next((parse_digest(entry["digest"]) for entry in entries), None)

    def blob(self, digest: Digest, size: int) -> bytes:
        """Return a whole small blob. GoneError without it, or if it is damaged."""
        data = self._read(digest, size + 1)
        if digest_of(data) != digest:
            raise GoneError(f"{digest[:19]} in {self.name} is damaged")
        return data

    def holds(self, digest: Digest, size: int) -> bool:
        """Tell whether a blob is there, undamaged."""
        return self._folder.has_blob(digest, size)

    def be_asked(self, count: int) -> None:
        """Do nothing: it is near."""

    @contextmanager
    def part(self, digest: Digest, start: int, length: int) -> Iterator[Reader]:
        """Yield a stream of a part of a blob. GoneError without it, or if it is cut off."""
        try:
            with self._folder.blob(digest).open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), length, start)
        except OSError as error:
            raise self._gone(digest, error) from error
        if len(data) != length:
            raise GoneError(f"{digest[:19]} in {self.name} is cut off")
        yield io.BytesIO(data)

    @contextmanager
    def whole(self, digest: Digest) -> Iterator[Reader]:
        """Yield a stream of a blob. GoneError without it."""
        try:
            file = self._folder.blob(digest).open("rb")
        except OSError as error:
            raise self._gone(digest, error) from error
        with file:
            yield file

    def upload(self, digest: Digest, size: int, open_: Callable[[], BinaryIO]) -> None:
        """Write a blob, unless it is there already. UsageError if the folder holds something else than a cache."""
        self._begin()
        if self._folder.has_blob(digest, size):
            with contextlib.suppress(
                OSError
            ):  # nothing may list it yet: `tidy` shall not take it for a leftover
                os.utime(self._folder.blob(digest))
            return
        with open_() as file:
            self._folder.write(self._folder.blob(digest), file)

    def _begin(self) -> None:
        """Make the folder, or look whether it is for the cache alone before anything is put into it."""
        with self._beginning:
            if self._begun and self._folder.directory.is_dir():
                return
            self._folder.check()
            if not any(map(is_root, self.tags())):
                check_others(self)
            self._folder.begin()
            self._begun = True

    def delete(self, tag: str, digest: Digest) -> bool:
        """Remove a tag, with the blobs that nothing else uses. False if it names another manifest."""
        with self._folder.locked():
            if self.named(tag) != digest:
                return False
            self._folder.put_entry(tag, None)
        return True

    def tidy(self) -> int:
        """Remove the blobs that nothing lists, as runs that were killed leave them; return their bytes."""
        freed = 0
        blobs = self._folder.blob(digest_of(b"")).parent
        self._folder.check()
        with self._folder.locked():
            used = self._folder.reachable(self._folder.entries())
            for path in blobs.iterdir() if blobs.is_dir() else ():
                # another run writes blobs without the lock: a hidden one has got its name since it was listed
                if path.name.startswith(".") or f"sha256:{path.name}" in used:
                    continue
                info = path.stat()
                if time.time() - info.st_mtime > _ORPHAN_SECONDS:
                    path.unlink()
                    freed += info.st_size
        return freed

    def end(self) -> None:
        """Do nothing: no upload is left half done in a folder."""

    def _entries(self) -> Sequence[dict[str, Any]]:
        return self._folder.entries() if self._folder.directory.is_dir() else ()

    # docs/decisions.md#a-damaged-folder-is-begun-anew
    def _recovered(self, file: str) -> list[dict[str, Any]] | None:
        """Return the roots that are found without a file of the layout, told once if that loses something; None if it is not ours."""
        try:
            if file == INDEX_FILE:  # who may not read it can't tell what it is
                (self._folder.directory / file).read_bytes()
            roots = roots_left_in(self._folder.directory)
        except OSError:
            return None
        if file == INDEX_FILE and roots is not None and not self.is_damaged:
            self.is_damaged = True
            left = f"{counted(len(roots), 'root')} found without it" if roots else "the cache begins anew"
            self._emit(
                events.Warned(
                    f"the cache {self.name} is damaged: its index.json can't be read; {left}",
                    hint="keep the whole folder from run to run, or none of it; run `flakeship cache prune` to remove what nothing lists any more",
                )
            )
        return roots

    def _read(self, digest: Digest, most: int) -> bytes:
        try:
            with self._folder.blob(digest).open("rb") as file:
                return file.read(most)
        except OSError as error:
            raise self._gone(digest, error) from error

    def _gone(self, digest: Digest, error: OSError) -> GoneError | ResourceError:
        if isinstance(error, FileNotFoundError):
            return GoneError(f"{digest[:19]} is not in {self.name} any more")
        return ResourceError(
            f"{self.name} can't be read: {error.strerror}", hint="check who may read the folder"
        )


def _tag_of(entry: dict[str, Any]) -> str:
    """Return the tag of an entry of index.json; empty if another tool has written it without one, or with a number."""
    tag = (entry.get("annotations") or {}).get(REF_NAME)
    return tag if isinstance(tag, str) else ""
