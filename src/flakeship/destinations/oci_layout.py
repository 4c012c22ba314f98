"""`oci:DIR[:TAG]`: an image layout in a folder, https://github.com/opencontainers/image-spec/blob/main/image-layout.md."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from flakeship import events
from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob, Prepared, Published, Tagging
from flakeship.errors import Error, RejectedError, ResourceError, UsageError
from flakeship.image.check import check_image
from flakeship.image.document import DOCUMENT_LIMIT, decode_object, encode
from flakeship.image.existing import ExistingImage, ExistingLayer, config_of, existing_image
from flakeship.image.layout import BLOBS, INDEX_FILE, LAYOUT_DOCUMENT, LAYOUT_FILE, REF_NAME, blob_path
from flakeship.image.media_types import OCI
from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer, parse_digest
from flakeship.image.stream import CHUNK, Reader, sha256_of

# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class LayoutDestination:
    """A folder, made where it is missing. `tag` names the image inside; empty: as the image names itself."""

    def __init__(
        self, directory: Path, tag: str = "", *, verify: bool = True, emit: events.Emit = events.ignore
    ) -> None:
        self._directory, self._tag, self._verify, self._emit = directory, tag, verify, emit
        self._delivered: dict[Digest, DeliveredBlob] = {}

    @property
    def name(self) -> str:
        return f"oci:{self._directory}"

    def check(self) -> None:
        """UsageError where the folder holds something else, ResourceError where it can't be written."""
        try:
            if not self._is_layout() and self._holds_others():
                raise UsageError(
                    f"{self._directory} is not empty and no OCI image layout",
                    hint="name another folder with `to: oci:DIR`, or empty this one",
                )
            self._entries()
            (self._directory / BLOBS / "sha256").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error

    def existing(self) -> tuple[ExistingImage, ...]:
        """The images of the layout; one that is damaged is left out."""
        images: list[ExistingImage] = []
        for entry in self._entries():
            with contextlib.suppress(ValueError):
                manifest = _document(self._blob(parse_digest(entry.get("digest"))))
                config = _document(self._blob(config_of(manifest).digest))
                images.append(existing_image(self.name, manifest, config))
        return tuple(images)

    def open_blob(self, layer: ExistingLayer) -> contextlib.AbstractContextManager[Reader]:
        return self._blob(layer.digest).open("rb")

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        digest, size = layer.descriptor.digest, layer.descriptor.size
        path = self._blob(digest)
        there = certain and self._holds(path, digest, size)
        if not there:
            if layer.open is None:
                raise BlobsUnknownError(frozenset({digest}))
            with layer.open() as reader:
                self._write(path, reader)
        delivered = DeliveredBlob(digest, size, "reused" if there else "written")
        self._emit(events.LayerProgress(layer.key, delivered.state, size, digest, self.name))
        self._delivered[digest] = delivered
        return delivered

    def prepare(self, packed: Packed) -> Prepared:
        return self._ready(packed)

    def prepare_index(self, index: PackedIndex) -> Prepared:
        return self._ready(index)

    def _ready(self, packed: Packed | PackedIndex) -> Prepared:
        own = next(iter(packed.images[0].image.names), "").rpartition(":")[2]
        tag = self._tag or (own if _TAG.fullmatch(own) else "latest")
        reference = f"oci:{self._directory}:{tag}"
        with self._alone():
            self._complete(packed)
            self._check(packed)
        blobs = tuple(blob for image in packed.images for blob in self._blobs(image))
        published = Published(
            destination=self.name, reference=reference, tags=(), digest=packed.descriptor.digest, blobs=blobs
        )
        return Prepared((Tagging((reference,), partial(self._name, packed, tag)),), lambda: published)

    def _check(self, packed: Packed | PackedIndex) -> None:
        """RejectedError, or BlobsUnknownError while there are layers that were only said to be the image's."""
        if not self._verify:
            return
        layers = (layer for image in packed.images for layer in image.layers)
        believed = frozenset(layer.descriptor.digest for layer in layers if layer.open is None)
        try:
            for image in packed.images:
                check_image(image.descriptor, lambda digest: self._blob(digest).open("rb"))
        except RejectedError as error:
            if not believed:
                raise
            raise BlobsUnknownError(believed) from error

    def _name(self, packed: Packed | PackedIndex, tag: str) -> None:
        with self._alone():
            self._complete(packed)  # since it was, another run may have removed what nobody listed
            self._write(self._directory / LAYOUT_FILE, encode(LAYOUT_DOCUMENT))
            self._enter(packed, tag)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Of several runs one at a time lists its image, and removes what nobody lists: else one would undo another's."""
        import fcntl

        with contextlib.ExitStack() as scope:
            with contextlib.suppress(OSError):  # a file system without locks; two runs at once are rare
                handle = os.open(self._directory, os.O_RDONLY)
                scope.callback(os.close, handle)
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _complete(self, packed: Packed | PackedIndex) -> None:
        """All that the manifest names is there, and the manifest. BlobsUnknownError for layers that are not."""
        layers = {layer.descriptor.digest for image in packed.images for layer in image.layers}
        if gone := frozenset(digest for digest in layers if not self._blob(digest).exists()):
            raise BlobsUnknownError(gone)  # another run has removed what was there to be used again
        for image in packed.images:
            self._write(self._blob(image.config_descriptor.digest), image.config)
            self._write(self._blob(image.descriptor.digest), image.manifest)
        self._write(self._blob(packed.descriptor.digest), packed.manifest)

    def _blobs(self, packed: Packed) -> Iterator[DeliveredBlob]:
        yield from (self._delivered[layer.descriptor.digest] for layer in packed.layers)
        yield DeliveredBlob(packed.config_descriptor.digest, packed.config_descriptor.size, "written")

    def _enter(self, packed: Packed | PackedIndex, tag: str) -> None:
        """Put the image into index.json in place of the one of the same name, whose blobs go if nobody else's."""
        entries = self._entries()
        kept = [entry for entry in entries if (entry.get("annotations") or {}).get(REF_NAME) != tag]
        annotations = {**packed.descriptor.annotations, REF_NAME: tag}
        kept.append(replace(packed.descriptor, annotations=annotations).to_json())
        index = {"schemaVersion": 2, "mediaType": OCI.index, "manifests": kept}
        before = self._reachable(entries)
        self._write(self._directory / INDEX_FILE, encode(index))
        for digest in before - self._reachable(kept):
            self._blob(digest).unlink(missing_ok=True)

    def _is_layout(self) -> bool:
        return (self._directory / LAYOUT_FILE).exists()

    def _holds_others(self) -> bool:
        """Whether the folder holds what no run of ours that was cut short can have left."""
        return self._directory.exists() and any(
            path.name != BLOBS and not path.name.startswith(".") for path in self._directory.iterdir()
        )

    def _holds(self, path: Path, digest: Digest, size: int) -> bool:
        """Whether the blob is there already; its size is enough where nothing is to be verified."""
        try:
            if path.stat().st_size != size:
                return False
            if not self._verify:
                return True
            with path.open("rb", buffering=0) as file:
                return sha256_of(file) == (digest, size)
        except OSError:
            return False

    def _entries(self) -> list[dict[str, Any]]:
        """Of the index. UsageError where it can't be read: to write another would lose the images it lists."""
        path = self._directory / INDEX_FILE
        if not path.exists():
            return []
        entries = _document(path).get("manifests")
        if not isinstance(entries, list) or not all(map(_is_entry, entries)):
            raise UsageError(
                f"{path} is no index of an OCI image layout",
                hint="name another folder with `to: oci:DIR`, or remove this one",
            )
        return entries

    def _reachable(self, entries: list[dict[str, Any]]) -> set[Digest]:
        """Digests that these entries of an index lead to; what can't be read leads nowhere."""
        reached: set[Digest] = set()
        waiting = list(entries)
        while waiting:
            digest = parse_digest(waiting.pop()["digest"])
            if digest not in reached:
                reached.add(digest)
                waiting += filter(_is_entry, _named_in(_document(self._blob(digest))))
        return reached

    def _blob(self, digest: Digest) -> Path:
        return self._directory / blob_path(digest)

    def _write(self, path: Path, content: bytes | BinaryIO) -> None:
        """All of it or nothing: a name in a layout never stands for half a file."""
        try:
            handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
            temporary = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    os.fchmod(handle, 0o644)
                    if isinstance(content, bytes):
                        file.write(content)
                    else:
                        shutil.copyfileobj(content, file, CHUNK)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> Error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        return ResourceError(
            f"cannot write the image layout {self._directory}: {error.strerror}",
            hint="free some space there"
            if full
            else "name a folder that can be written to with `to: oci:DIR`",
        )


def _is_entry(entry: Any) -> bool:
    try:
        parse_digest(entry["digest"])
    except (KeyError, TypeError, ValueError):
        return False
    return isinstance(entry.get("annotations") or {}, dict)


def _named_in(document: dict[str, Any]) -> Iterator[Any]:
    """What an index or a manifest may refer to."""
    yield document.get("config")
    for key in ("manifests", "layers"):
        listed = document.get(key)
        yield from listed if isinstance(listed, list) else ()


def _document(path: Path) -> dict[str, Any]:
    """A JSON document of the layout; empty for one that is missing or is none."""
    try:
        with path.open("rb") as file:
            return decode_object(file.read(DOCUMENT_LIMIT + 1))
    except (OSError, ValueError):
        return {}
