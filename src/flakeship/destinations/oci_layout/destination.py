"""Writes an OCI image layout: https://github.com/opencontainers/image-spec/blob/main/image-layout.md."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from flakeship import events
from flakeship.destinations.oci_layout.ignored import ignore_itself
from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob, Prepared, Published, Tagging
from flakeship.errors import Error, RejectedError, ResourceError, UsageError, advice
from flakeship.image.check import check_image
from flakeship.image.document import DOCUMENT_LIMIT, decode_object, encode
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.layout import BLOBS, INDEX_FILE, LAYOUT_DOCUMENT, LAYOUT_FILE, REF_NAME, blob_path
from flakeship.image.media_types import OCI
from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer, digest_of, parse_digest
from flakeship.image.place import read_image, read_manifest
from flakeship.image.stream import CHUNK, Reader, read_full, sha256_of
from flakeship.leftovers.locks import new_file, sweep_files
from flakeship.registry.reference import TAG_PATTERN


@dataclass(frozen=True, slots=True)
class LayoutManifest:
    """A manifest in a layout; satisfies `place.RawManifest`."""

    media_type: str
    data: bytes
    digest: Digest


class LayoutDestination:
    """A folder, made if it is missing. `tag` names the image inside; an empty one means the tag of the image's own name."""

    def __init__(self, directory: Path, tag: str = "", *, emit: events.Emit = events.ignore) -> None:
        self._directory, self._tag, self._emit = directory, tag, emit
        self._delivered: dict[Digest, DeliveredBlob] = {}

    @property
    def name(self) -> str:
        """The name in messages: `oci:DIR`."""
        return f"oci:{self._directory}"

    def check(self) -> None:
        """Make the folder, and remove what runs that were killed were writing there.

        UsageError if it holds something else, ResourceError if it can't be written.
        """
        try:
            if not self._directory.exists():
                self._directory.mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._check_content()
                (self._directory / BLOBS / "sha256").mkdir(parents=True, exist_ok=True)
                if not (self._directory / LAYOUT_FILE).exists():
                    ignore_itself(self._directory)
            for folder in (self._directory, self._directory / BLOBS / "sha256"):
                sweep_files(folder)
        except OSError as error:
            raise self._error_for(error) from error

    def _check_content(self) -> None:
        """Look at the folder, once. An interrupted run of ours can't have left files but blobs and hidden ones."""
        names = set(os.listdir(self._directory))  # noqa: PTH208 - one look, of which the order does not matter
        others = {name for name in names if name != BLOBS and not name.startswith(".")}
        if others and LAYOUT_FILE not in others:
            raise UsageError(
                f"{self._directory} is neither empty nor an OCI image layout",
                hint="name another folder by `to: oci:DIR`, or empty this one",
            )
        self._entries()

    def existing(self) -> tuple[ExistingImage, ...]:
        """Return the images of the layout without those that are damaged."""
        images: list[ExistingImage] = []
        for entry in self._entries():
            with contextlib.suppress(ValueError, OSError):
                if manifest := read_manifest(self, parse_digest(entry.get("digest"))):
                    images.append(read_image(self, manifest))
        return tuple(images)

    def get_manifest(self, reference: str) -> LayoutManifest:
        """Read a manifest by its digest; OSError where it is missing."""
        with self.get_blob(parse_digest(reference)) as reader:
            data = read_full(reader, DOCUMENT_LIMIT + 1)
        return LayoutManifest("", data, digest_of(data))

    def get_blob(self, digest: Digest) -> BinaryIO:
        """Open the file of a blob; OSError where it is missing."""
        return self._blob(digest).open("rb")

    def open_blob(self, layer: ExistingLayer) -> contextlib.AbstractContextManager[Reader]:
        """Open the file of a blob."""
        return self.get_blob(layer.digest)

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Write the blob of the layer, unless it is there already."""
        digest, size = layer.descriptor.digest, layer.descriptor.size
        path = self._blob(digest)
        there = certain and self._has_blob(path, digest, size)
        if not there:
            if layer.open is None:
                raise BlobsUnknownError(frozenset({digest}))
            with layer.open() as reader:
                self._write(path, reader)
        delivered = DeliveredBlob(digest, size, "reused" if there else "written")
        self._emit(events.LayerProgress(layer.name, delivered.state, size, digest, self.name))
        self._delivered[digest] = delivered
        return delivered

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        """Write config and manifest, and verify the image; index.json does not list it yet."""
        return self._prepared(packed)

    def prepare_index(self, index: PackedIndex, *, alone: bool = False) -> Prepared:
        """Write every image and the index, and verify them; index.json does not list the index yet."""
        return self._prepared(index)

    def _prepared(self, packed: Packed | PackedIndex) -> Prepared:
        names = next((image.image.names for image in packed.images), ())
        own = next(iter(names), "").rpartition(":")[2]
        tag = self._tag or (own if TAG_PATTERN.fullmatch(own) else "latest")
        reference = f"oci:{self._directory}:{tag}"
        with self._locked():
            self._write_documents(packed)
            self._check(packed)
        blobs = tuple(blob for image in packed.images for blob in self._blobs(image))
        published = Published(
            destination=self.name, reference=reference, tags=(), digest=packed.descriptor.digest, blobs=blobs
        )
        return Prepared(
            ((Tagging((reference,), partial(self._write_index_entry, packed, tag)),),), lambda: published
        )

    def _check(self, packed: Packed | PackedIndex) -> None:
        """Verify every digest. RejectedError, or BlobsUnknownError while some layers were taken on trust."""
        layers = (layer for image in packed.images for layer in image.layers)
        believed = frozenset(layer.descriptor.digest for layer in layers if layer.open is None)
        try:
            for entry in packed.entries:
                check_image(entry.descriptor, lambda digest: self._blob(digest).open("rb"))
        except RejectedError as error:
            if not believed:
                raise
            raise BlobsUnknownError(believed) from error

    def _write_index_entry(self, packed: Packed | PackedIndex, tag: str) -> None:
        with self._locked():
            self._write_documents(packed)  # again: another run may have removed what no index entry listed
            self._write(self._directory / LAYOUT_FILE, encode(LAYOUT_DOCUMENT))
            self._update_index(packed, tag)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the folder: two runs that change index.json at once would undo each other's work."""
        import fcntl

        with contextlib.ExitStack() as scope:
            with contextlib.suppress(OSError):  # a file system without locks; two runs at once are rare
                handle = os.open(self._directory, os.O_RDONLY)
                scope.callback(os.close, handle)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._emit(events.Detail(f"{self.name}: another run is writing there, and is waited for"))
                    fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _write_documents(self, packed: Packed | PackedIndex) -> None:
        """Write configs and manifests. BlobsUnknownError for layers that are missing.

        UsageError for an index that lists an image of which neither this run nor the layout has the bytes.
        """
        for entry in packed.entries:
            if entry.image is None and not self._blob(entry.descriptor.digest).exists():
                raise UsageError(
                    f"{self.name} does not hold {entry.descriptor.digest}, which the index lists",
                    hint="write that image to the layout first",
                )
        layers = {layer.descriptor.digest for image in packed.images for layer in image.layers}
        if gone := frozenset(digest for digest in layers if not self._blob(digest).exists()):
            raise BlobsUnknownError(gone)  # another run has removed layers that were to be reused
        for image in packed.images:
            self._write(self._blob(image.config_descriptor.digest), image.config)
            self._write(self._blob(image.descriptor.digest), image.manifest)
        self._write(self._blob(packed.descriptor.digest), packed.manifest)

    def _blobs(self, packed: Packed) -> Iterator[DeliveredBlob]:
        yield from (self._delivered[layer.descriptor.digest] for layer in packed.layers)
        yield DeliveredBlob(packed.config_descriptor.digest, packed.config_descriptor.size, "written")

    def _update_index(self, packed: Packed | PackedIndex, tag: str) -> None:
        """Put the image into index.json in place of one with the same tag, whose blobs are removed unless others use them."""
        entries = self._entries()
        kept = [entry for entry in entries if (entry.get("annotations") or {}).get(REF_NAME) != tag]
        annotations = {**packed.descriptor.annotations, REF_NAME: tag}
        kept.append(replace(packed.descriptor, annotations=annotations).to_json())
        index = {"schemaVersion": 2, "mediaType": OCI.index, "manifests": kept}
        before = self._reachable(entries)
        self._write(self._directory / INDEX_FILE, encode(index))
        for digest in before - self._reachable(kept):
            self._blob(digest).unlink(missing_ok=True)

    def _has_blob(self, path: Path, digest: Digest, size: int) -> bool:
        """Return True if the blob is there already: one of that size which was damaged or changed is not."""
        try:
            if path.stat().st_size != size:
                return False
            with path.open("rb", buffering=0) as file:
                return sha256_of(file) == (digest, size)
        except OSError:
            return False

    def _entries(self) -> list[dict[str, Any]]:
        """Return the entries of index.json. UsageError if it can't be read: a new one would lose the images it lists."""
        path = self._directory / INDEX_FILE
        if not path.exists():
            return []
        entries = _document(path).get("manifests")
        if not isinstance(entries, list) or not all(map(_is_entry, entries)):
            raise UsageError(
                f"{path} is not the index of an OCI image layout",
                hint="name another folder by `to: oci:DIR`, or remove this one",
            )
        return entries

    def _reachable(self, entries: list[dict[str, Any]]) -> set[Digest]:
        """Return the digests that can be reached from these entries; unreadable documents are skipped."""
        reached: set[Digest] = set()
        waiting = list(entries)
        while waiting:
            digest = parse_digest(waiting.pop()["digest"])
            if digest not in reached:
                reached.add(digest)
                waiting += filter(_is_entry, _references_in(_document(self._blob(digest))))
        return reached

    def _blob(self, digest: Digest) -> Path:
        return self._directory / blob_path(digest)

    def _write(self, path: Path, content: bytes | BinaryIO) -> None:
        """Write a whole file by a rename, so that a name in a layout never stands for half of it."""
        try:
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
            f"can't write the image layout {self._directory}: {error.strerror}",
            hint=advice(error, "name a folder that can be written to by `to: oci:DIR`"),
        )


def _is_entry(entry: Any) -> bool:
    try:
        parse_digest(entry["digest"])
    except (KeyError, TypeError, ValueError):
        return False
    return isinstance(entry.get("annotations") or {}, dict)


def _references_in(document: dict[str, Any]) -> Iterator[Any]:
    """Yield the descriptors in an index or a manifest, which may be malformed."""
    yield document.get("config")
    for key in ("manifests", "layers"):
        listed = document.get(key)
        yield from listed if isinstance(listed, list) else ()


def _document(path: Path) -> dict[str, Any]:
    """Read a JSON document of the layout; return an empty one if it is missing or malformed."""
    try:
        with path.open("rb") as file:
            return decode_object(file.read(DOCUMENT_LIMIT + 1))
    except (OSError, ValueError):
        return {}
