"""From an archive to an image and its blobs, as the pipeline goes, without a destination."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import zstandard

from flakeship import sources
from flakeship.image.check import check_image
from flakeship.image.compress import DEFAULT_LEVEL, Algorithm, Compression
from flakeship.image.media_types import OCI, Family
from flakeship.image.model import Image, Packed
from flakeship.image.pack import Packing, packed_layers, seal
from flakeship.sources.opened import SourceRequest
from flakeship.stores.temporary import TemporaryStore

WRAPS: Mapping[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "zstd": lambda data: zstandard.ZstdCompressor(level=1, write_checksum=True).compress(data),
}
"""How the archive itself may be compressed."""


def compression(algorithm: Algorithm, level: int | None = None) -> Compression:
    return Compression(algorithm, DEFAULT_LEVEL[algorithm] if level is None else level)


def made(
    path: Path,
    folder: Path,
    *,
    how: Compression = Compression(),  # noqa: B008  a frozen value
    family: Family = OCI,
    threads: int = 2,
    change: Callable[[Image], Image] = lambda image: image,
    **request: Any,
) -> Packed:
    """Pack the image at `path` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    packing = Packing(how, family, TemporaryStore(folder), threads)
    with sources.opened(path, SourceRequest(**request)) as source:
        layers = packed_layers(source.layers(), packing, forward_only=source.forward_only)
        by_key = {layer.key: layer for layer in layers}
        return seal(change(source.image()), by_key, family)


def check(packed: Packed) -> None:
    """Recompute all of its digests."""
    blobs = {layer.descriptor.digest: layer.open for layer in packed.layers}
    documents = {packed.descriptor.digest: packed.manifest, packed.config_descriptor.digest: packed.config}

    def open_blob(digest: Any) -> Any:
        import io

        if digest in documents:
            return io.BytesIO(documents[digest])
        opener = blobs[digest]
        assert opener
        return opener()

    check_image(packed.descriptor, open_blob)


def files() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def settled(open_files: int, *, seconds: float = 60) -> bool:
    """Whether no more files are open than these, and no thread of ours runs, soon: an error waits for no thread."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not others() and files() <= open_files:
            return True
        time.sleep(0.01)
    return False


def others() -> set[str]:
    """Names of the threads that are ours and still there."""
    return {
        thread.name
        for thread in threading.enumerate()
        if thread.name.startswith(("read", "compress", "send")) or "_decompress" in thread.name
    }
