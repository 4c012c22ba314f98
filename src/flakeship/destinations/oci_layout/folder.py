"""The folder of an OCI image layout: its files, its index, and what may be removed of it.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from flakeship import events
from flakeship.destinations.oci_layout.ignored import ignore_itself
from flakeship.errors import Error, ResourceError, UsageError, advice
from flakeship.image.document import DOCUMENT_LIMIT, decode_object, encode
from flakeship.image.layout import BLOBS, INDEX_FILE, LAYOUT_DOCUMENT, LAYOUT_FILE, REF_NAME, blob_path
from flakeship.image.media_types import OCI
from flakeship.image.model import Digest, parse_digest
from flakeship.image.stream import CHUNK, sha256_of
from flakeship.leftovers.locks import check_writable, new_file, sweep_files


class LayoutFolder:
    """A folder, which `begin` makes if it is missing. `named` is how a user names another one, for hints: `to: oci:DIR`.

    `recovered` is given the name of a file that is damaged or missing, index.json or oci-layout, and returns the entries
    of index.json without it; None where the folder is not to be written then.
    """

    def __init__(
        self,
        directory: Path,
        *,
        named: str,
        emit: events.Emit = events.ignore,
        recovered: Callable[[str], list[dict[str, Any]] | None] = lambda _: None,
    ) -> None:
        self.directory, self._named, self._emit, self._recovered = directory, named, emit, recovered
        self._made: tuple[Path, ...] = ()
        self._begun = False
        self._beginning = threading.Lock()

    @property
    def name(self) -> str:
        """The name in messages: `oci:DIR`."""
        return f"oci:{self.directory}"

    def check(self) -> None:
        """Remove what runs that were killed were writing in the folder; it is not made yet, and nothing is left in it.

        UsageError if it holds something else, ResourceError if it can't be written.
        """
        try:
            if self.directory.exists():
                with self.locked():
                    self.check_content()
                for folder in (self.directory, self.directory / BLOBS / "sha256"):
                    sweep_files(folder)
            check_writable(self.directory)
        except OSError as error:
            raise self._error_for(error) from error

    def begin(self) -> None:
        """Make the folder, if it is missing. May be called from any thread, and again. ResourceError if it can't be made."""
        with self._beginning:
            if self._begun:
                return
            absent = [each for each in (self.directory, *self.directory.parents) if not each.exists()]
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                self._made = tuple(absent)
                if not (self.directory / LAYOUT_FILE).exists():
                    ignore_itself(self.directory)
            except OSError as error:
                raise self._error_for(error) from error
            self._begun = True

    def give_up(self) -> None:
        """Remove the folder again if `begin` made it and it lists no image, neither one of this run nor another's."""
        if not self._made:
            return
        with self.locked():
            if (self.directory / INDEX_FILE).exists():
                return
            shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(OSError):
            for above in self._made[1:]:
                above.rmdir()

    def check_content(self) -> None:
        """Look at the folder, once. An interrupted run of ours can't have left files but blobs and hidden ones."""
        names = set(os.listdir(self.directory))  # noqa: PTH208 - one look, of which the order does not matter
        others = {name for name in names if name != BLOBS and not name.startswith(".")}
        if others and LAYOUT_FILE not in others and not self._does_without(others):
            raise UsageError(
                f"{self.directory} is neither empty nor an OCI image layout",
                hint=f"name another folder by `{self._named}`, or empty this one",
            )
        self.entries()

    def _does_without(self, names: set[str]) -> bool:
        return names == {INDEX_FILE} and self._recovered(LAYOUT_FILE) is not None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder: two runs that change index.json at once would undo each other's work."""
        import fcntl

        with contextlib.ExitStack() as scope:
            with contextlib.suppress(OSError):  # a file system without locks; two runs at once are rare
                while True:
                    # A run that gives up removes the folder that it made, while others begin in it or wait for it.
                    try:
                        if self._begun:
                            self.directory.mkdir(parents=True, exist_ok=True)
                        handle = os.open(self.directory, os.O_RDONLY)
                        scope.callback(os.close, handle)
                        try:
                            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        except BlockingIOError:
                            self._emit(
                                events.Detail(f"{self.name}: another run is writing there, and is waited for")
                            )
                            fcntl.flock(handle, fcntl.LOCK_EX)
                        self.directory.mkdir(parents=True, exist_ok=True)
                        if os.path.samestat(self.directory.stat(), os.fstat(handle)):
                            break
                    except FileNotFoundError:
                        if not self._begun:
                            raise
            yield

    def blob(self, digest: Digest) -> Path:
        """Return the path of a blob."""
        return self.directory / blob_path(digest)

    def has_blob(self, digest: Digest, size: int) -> bool:
        """Return True if the blob is there already: one of that size which was damaged or changed is not."""
        path = self.blob(digest)
        try:
            if path.stat().st_size != size:
                return False
            with path.open("rb", buffering=0) as file:
                return sha256_of(file) == (digest, size)
        except OSError:
            return False

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of index.json. UsageError if it can't be read: a new one would lose the images it lists."""
        path = self.directory / INDEX_FILE
        if not path.exists():
            return []
        entries = _document(path).get("manifests")
        if isinstance(entries, list) and all(map(_is_entry, entries)):
            return entries
        recovered = self._recovered(INDEX_FILE)
        if recovered is None:
            raise UsageError(
                f"{path} is not the index of an OCI image layout",
                hint=f"name another folder by `{self._named}`, or remove this one",
            )
        return recovered

    def put_entry(self, tag: str, descriptor: Mapping[str, Any] | None) -> None:
        """Let index.json list `descriptor`, a JSON object, under a tag in place of what it listed there; nothing for None.

        The blobs of what it listed are removed unless others use them. The caller holds the lock.
        """
        self.write(self.directory / LAYOUT_FILE, encode(LAYOUT_DOCUMENT))
        entries = self.entries()
        kept = [entry for entry in entries if (entry.get("annotations") or {}).get(REF_NAME) != tag]
        if descriptor is not None:
            kept.append({**descriptor, "annotations": {**descriptor.get("annotations", {}), REF_NAME: tag}})
        before = self.reachable(entries)
        self.write(
            self.directory / INDEX_FILE,
            encode({"schemaVersion": 2, "mediaType": OCI.index, "manifests": kept}),
        )
        for digest in before - self.reachable(kept):
            self.blob(digest).unlink(missing_ok=True)

    def reachable(self, entries: Sequence[Mapping[str, Any]]) -> set[Digest]:
        """Return the digests that can be reached from these entries; unreadable documents are skipped."""
        reached: set[Digest] = set()
        waiting: list[Mapping[str, Any]] = list(entries)
        while waiting:
            digest = parse_digest(waiting.pop()["digest"])
            if digest in reached:
                continue
            reached.add(digest)
            document = _document(self.blob(digest))
            listed = document.get("manifests")
            waiting += filter(_is_entry, listed if isinstance(listed, list) else ())
            reached.update(parse_digest(blob["digest"]) for blob in _blobs_of(document) if _is_entry(blob))
        return reached

    def write(self, path: Path, content: bytes | BinaryIO) -> None:
        """Write a whole file by a rename, so that a name in a layout never stands for half of it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = new_file(path.parent)
            with os.fdopen(
                handle, "wb"
            ) as file:  # until it has its name: closed it would pass for a leftover
                try:
                    os.fchmod(handle, 0o644)
                    if isinstance(content, bytes):
                        file.write(content)
                    else:
                        shutil.copyfileobj(content, file, CHUNK)
                    file.flush()
                    temporary.replace(path)
                except BaseException:
                    temporary.unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise self._error_for(error) from error

    def _error_for(self, error: OSError) -> Error:
        return ResourceError(
            f"can't write the image layout {self.directory}: {error.strerror}",
            hint=advice(error, f"name a folder that can be written to by `{self._named}`"),
        )


def _is_entry(entry: Any) -> bool:
    try:
        parse_digest(entry["digest"])
    except (KeyError, TypeError, ValueError):
        return False
    return isinstance(entry.get("annotations") or {}, dict)


def _blobs_of(document: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the descriptors of config and layers in a manifest, which may be malformed."""
    yield document.get("config")
    listed = document.get("layers")
    yield from listed if isinstance(listed, list) else ()


def _document(path: Path) -> dict[str, Any]:
    """Read a JSON document of the layout; return an empty one if it is missing or malformed."""
    try:
        with path.open("rb") as file:
            return decode_object(file.read(DOCUMENT_LIMIT + 1))
    except (OSError, ValueError):
        return {}
