"""What is left of a cache in a folder whose index.json was damaged, as by a CI cache that restored half of it, or a full disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from flakeship.caches.packs.manifest import CONFIG, ROOT, NotARootError, RootManifest, decode_manifest
from flakeship.caches.packs.root import is_root
from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.layout import BLOBS, REF_NAME, blob_path
from flakeship.image.media_types import OCI
from flakeship.image.model import Descriptor, Digest, digest_of

_ZSTD: Final = b"\x28\xb5\x2f\xfd"
"""How an index and a pack begin: https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1."""

_NOTHING: Final = bytes(len(_ZSTD))
"""How a file begins whose blocks did not reach the disk before the machine went down."""


def roots_left_in(layout: Path) -> list[dict[str, Any]] | None:
    """Return an entry of index.json for each root of which every blob is in the layout, with the size that it should have.

    None if the layout holds something that no cache of ours has, so that it is not ours to begin anew. OSError where it
    can't be read.
    """
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    blobs = layout / BLOBS / "sha256"
    for path in sorted(blobs.iterdir()) if blobs.is_dir() else ():
        if path.name.startswith("."):
            continue
        data = _document_at(path)
        if not data:
            continue
        try:
            root = _root_in(data)
        except NotARootError:
            return None
        digest = digest_of(data)
        if root is None or digest.removeprefix("sha256:") != path.name or not _is_whole(root, layout):
            continue
        tag, written = root.annotations.get(ROOT, ""), _written_at(path)
        if is_root(tag) and written >= found.get(tag, (0, {}))[0]:
            entry = {**Descriptor.of(OCI.manifest, data).to_json(), "annotations": {REF_NAME: tag}}
            found[tag] = written, entry
    return [entry for _, entry in found.values()]


def _document_at(path: Path) -> bytes:
    """Return what a blob holds; empty for one that is an index or a pack, was zeroed, or is gone since it was listed."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_ZSTD))
            return b"" if begin in (_ZSTD, _NOTHING) else begin + file.read(DOCUMENT_LIMIT)
    except FileNotFoundError:
        return b""


def _root_in(data: bytes) -> RootManifest | None:
    """Return the root that these bytes are; None if they are the config of every root, or damaged. NotARootError for all else."""
    if data == CONFIG:
        return None
    if not data.startswith(b"{"):
        raise NotARootError("it is something of another tool")
    try:
        decode_object(data)
    except ValueError:  # cut off
        return None
    try:
        return decode_manifest(data)
    except NotARootError:
        raise
    except ValueError:  # of a later version, or a root with something wrong in it
        return None


def _is_whole(root: RootManifest, layout: Path) -> bool:
    needed: list[tuple[Digest, int]] = [(digest_of(CONFIG), len(CONFIG)), root.index, *root.packs]
    return all(_size_of(layout / blob_path(digest)) == size for digest, size in needed)


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _written_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
