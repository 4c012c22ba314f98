"""The source `nix2container image`: a JSON file whose layers are packed from the store, or lie in it as blobs.

The digest of each layer is known before it is packed.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from flakeship.image.claims import image_of
from flakeship.image.inflate import suffix_of, uncompressed
from flakeship.image.model import CompressedBlob, Image, Layer, key_of
from flakeship.image.stream import Reader
from flakeship.image.tar.blocks import BLOCK
from flakeship.sources.nix2container.document import LIMIT, ImageDocument, LayerDocument, parse
from flakeship.sources.nix2container.tree import WriterVersion, tar_pieces
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.store_files import LOCAL, StoreFiles

KIND: Final = "nix2container image"

_OLDEST: Final = WriterVersion(mtime=0, gname_is_uname=True)


def matches(path: Path, head: bytes) -> bool:
    return head.lstrip()[:1] == b"{" and b'"image-config"' in head


@contextlib.contextmanager
def opened(path: Path, request: SourceRequest) -> Iterator[Opened]:
    with request.files.here(str(path)).open("rb") as file:
        data = file.read(LIMIT + 1)
    document = parse(data, store=request.store, what=str(path), files=request.files)
    yield Nix2Container(document, what=str(path), files=request.files)


class Nix2Container:
    """Layers that may be opened any number of times and at once, for the store is read in place."""

    forward_only = False

    def __init__(self, document: ImageDocument, *, what: str, files: StoreFiles = LOCAL) -> None:
        self._files = files
        self._layers = document.layers
        diff_ids = [layer.diff_id for layer in self._layers]
        config = {
            **document.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [layer.history for layer in self._layers],
        }
        keys = [key_of(layer.diff_id, layer.digest) for layer in self._layers]
        self._image = image_of(config, len(diff_ids), what=what, keys=keys)

    def layers(self) -> Iterator[Layer]:
        for document in dict(zip(self._image.layers, self._layers, strict=True)).values():
            yield self._blob(document, document.blob) if document.blob else self._packed(document)

    def image(self) -> Image:
        return self._image

    def _packed(self, layer: LayerDocument) -> Layer:
        # docs/decisions.md#nix2container-tars-are-written-by-our-code
        newest, *older = (self._tar(layer, version) for version in _versions(layer))
        return Layer(layer.diff_id, newest, layer.diff_id, layer.size or None, otherwise=tuple(older))

    def _tar(self, layer: LayerDocument, version: WriterVersion) -> Callable[[], Reader]:
        write = functools.partial(tar_pieces, layer.paths, version)
        return functools.partial(self._files.tar_by, write, [os.fsdecode(path.path) for path in layer.paths])

    def _blob(self, layer: LayerDocument, name: str) -> Layer:
        """Recognise the compression by the blob's first bytes: the media type in the JSON may be wrong."""
        path = self._files.here(name)
        with path.open("rb") as file:
            head = file.read(BLOCK)
        blob = None
        if suffix := suffix_of(head):
            blob = CompressedBlob(
                layer.digest, path.stat().st_size, suffix, lambda: path.open("rb", buffering=0)
            )
        return Layer(
            key_of(layer.diff_id, layer.digest),
            functools.partial(_inflated, path),
            layer.diff_id,
            compressed=blob,
            member=layer.digest,
        )


def _inflated(path: Path) -> Reader:
    return uncompressed(path.open("rb", buffering=0))


def _versions(layer: LayerDocument) -> tuple[WriterVersion, ...]:
    """Return the versions of nix2container, the newest first; of those that write the same tar of this layer one."""
    owned = any(item.gname not in {b"", item.uname} for path in layer.paths for item in path.permissions)
    return (
        (WriterVersion(), WriterVersion(gname_is_uname=True), _OLDEST)
        if owned
        else (WriterVersion(), _OLDEST)
    )
