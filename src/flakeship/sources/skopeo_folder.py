"""The folder that `skopeo copy … dir:FOLDER` writes: a manifest, and beside it all that it names, by digest.

https://github.com/containers/image/blob/main/docs/containers-transports.5.md, "dir:path".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.model import Descriptor, Digest, digest_of
from flakeship.image.stream import Reader, read_full
from flakeship.sources.blobs import RegistryImage
from flakeship.sources.opened import Opened, SourceRequest

KIND: Final = "folder of skopeo"

_MANIFEST: Final = "manifest.json"
_KEYS: Final = ({"config", "layers"}, {"manifests"}, {"fsLayers"})
"""What a manifest has, an index, and a manifest of schema 1."""
_DAMAGED: Final = "write the folder anew: `skopeo copy --all SOURCE dir:FOLDER`"


def matches(path: Path, head: bytes) -> bool:
    """Claim a folder whose manifest.json is that of an image or an index, as a registry would serve it."""
    if not (path / _MANIFEST).is_file():
        return False
    try:
        document = decode_object(_manifest(path))
    except (ValueError, NotAnImageError):
        return False
    # a package may have a manifest.json of its own
    return "schemaVersion" in document and any(keys <= set(document) for keys in _KEYS)


@contextlib.contextmanager
def opened(path: Path, request: SourceRequest) -> Iterator[Opened]:
    """Open the image, or all images of an index. NotAnImageError where it is not whole."""
    from flakeship.sources import registry_image

    data = _manifest(path)
    blobs = _FolderBlobs(path, digest_of(data))
    image = RegistryImage(blobs, Descriptor("", blobs.manifest, len(data)))
    with registry_image.opened(image, request) as source:
        yield source


def _manifest(path: Path) -> bytes:
    try:
        with (path / _MANIFEST).open("rb") as file:
            return read_full(file, DOCUMENT_LIMIT + 1)
    except OSError as error:
        raise NotAnImageError(f"{path / _MANIFEST} can't be read: {error.strerror}", hint=_DAMAGED) from error


class _FolderBlobs:
    """Blobs are files named by their digest, manifests of single platforms have `.manifest.json` behind it."""

    here = True

    def __init__(self, path: Path, manifest: Digest) -> None:
        self._path, self.what, self.manifest = path, str(path), manifest

    def size(self, digest: Digest) -> int | None:
        try:
            return self._file(digest).stat().st_size
        except OSError:
            return None

    def open(self, digest: Digest) -> Reader:
        return self._file(digest).open("rb", buffering=0)

    def open_document(self, entry: Descriptor) -> Reader:
        return self.open(entry.digest)

    def _file(self, digest: Digest) -> Path:
        """https://github.com/containers/image/blob/main/directory/directory_transport.go, layerPath and manifestPath."""
        if digest == self.manifest:
            return self._path / _MANIFEST
        blob = self._path / digest.partition(":")[2]
        manifest = blob.with_name(f"{blob.name}.manifest.json")
        return manifest if manifest.is_file() else blob
