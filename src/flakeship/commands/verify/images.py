"""The images behind a name: every manifest, config and layer is read and hashed, and the store paths in the layers are listed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from flakeship.commands.verify.stored import DAMAGED, StoredManifest, StoredObjects
from flakeship.errors import NotAnImageError, RejectedError
from flakeship.image.document import decode_object
from flakeship.image.engine_config import as_engines_read
from flakeship.image.inflate import uncompressed
from flakeship.image.media_types import CONFIGS, suffix_of_layer
from flakeship.image.model import Descriptor, Digest, Platform, parse_digest
from flakeship.image.stream import CHUNK, Hashing, Reader, Unclosed, Wrapper
from flakeship.image.tar.blocks import DamagedError
from flakeship.image.tar.reader import MOST_OF_LAYER, TarReader
from flakeship.image.workers import workers
from flakeship.printable import counted
from flakeship.sbom.layer_paths import LayerPaths, NotedPaths, paths_ever, paths_left
from flakeship.sources.indexes import REFERENCE_TYPE

_DEPTH: Final = 4
_MOST: Final = 1_000
_AT_ONCE: Final = 4
_UNPACKED: Final = (2_000, 1 << 30)
"""A layer may unpack to so many times its size, and to so many bytes more. gzip reaches 1,032 times, zstd any number."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of an image, and the digest of its tar that the config states."""

    blob: Descriptor
    diff_id: Digest


@dataclass(frozen=True, slots=True)
class _Contents:
    """The store paths of a layer. `whole` is False where its tar can't be read to its end, so that there may be more."""

    paths: LayerPaths
    whole: bool = True


@dataclass(frozen=True, slots=True)
class ExaminedImage:
    """An image, all of whose bytes are as their digests say. `paths` are the store paths in it, and `removed` those that a layer holds and one
    above it removes; `unread` are the layers that may hold more, because their tar can't be read to its end.
    """

    manifest: StoredManifest
    platform: str
    paths: frozenset[str]
    unread: tuple[Digest, ...] = ()
    removed: frozenset[str] = frozenset()


KnownLayers: TypeAlias = "dict[tuple[Digest, int, Digest], _Contents]"
"""What was found in layers that were read, by digest, size and diff_id: images of several platforms may share some."""


def manifests_below(top: StoredManifest, objects: StoredObjects) -> Iterator[StoredManifest]:
    """Yield the manifest itself, or all that an index leads to. RejectedError for one that is gone, and for more than any image has."""
    yield from _below(top, objects, itertools.count(1), depth=1)


def _below(
    top: StoredManifest, objects: StoredObjects, number: Iterator[int], *, depth: int
) -> Iterator[StoredManifest]:
    if not top.is_index:
        yield top
        return
    if depth > _DEPTH:
        raise RejectedError(f"{objects.name} holds an index {_DEPTH} levels deep in others", hint=DAMAGED)
    for entry in top.descriptors("manifests"):
        called = f" for {entry.platform}" if entry.platform and entry.platform.architecture else ""
        if next(number) > _MOST:
            raise RejectedError(
                f"{objects.name} holds an index that leads to more than {_MOST} manifests", hint=DAMAGED
            )
        child = objects.manifest(entry, f"the index {top.entry.digest} of {objects.name}{called}")
        yield from _below(child, objects, number, depth=depth + 1)


def is_image(manifest: StoredManifest) -> bool:
    """Tell whether it is an image, and no artifact beside one, as BuildKit lists them in its indexes."""
    config = manifest.document.get("config")
    media_type = config.get("mediaType") if isinstance(config, dict) else None
    return media_type in CONFIGS and REFERENCE_TYPE not in manifest.entry.annotations


def examined(manifest: StoredManifest, objects: StoredObjects, known: KnownLayers) -> ExaminedImage:
    """Read all of an image but the layers that are `known`, to which those are added that are read. RejectedError for the first thing in it that is not what it is said to be."""
    config_entry = manifest.config()
    config = _config(objects.blob(config_entry), config_entry)
    diff_ids = _diff_ids(config, manifest)
    layers = manifest.descriptors("layers")
    if len(layers) != len(diff_ids):
        raise RejectedError(
            f"the manifest {manifest.entry.digest} has {len(layers)} layers, and its config {len(diff_ids)} diff_ids",
            hint=DAMAGED,
        )
    platform = _platform(config, manifest)
    found = _read_all([_Layer(*each) for each in zip(layers, diff_ids, strict=True)], objects, known)
    contents = [each.paths for each in found]
    paths = paths_left(contents)
    unread = tuple(layer.digest for layer, each in zip(layers, found, strict=True) if not each.whole)
    return ExaminedImage(manifest, platform, paths, unread, paths_ever(contents) - paths)


def read_blobs(manifest: StoredManifest, objects: StoredObjects) -> None:
    """Read all that a manifest names which is no image. RejectedError for what is missing, or another."""
    config = manifest.document.get("config")
    for entry in (*([manifest.config()] if config else []), *manifest.descriptors("layers")):
        with objects.opened(entry) as blob:
            blob.drain()


def _read_all(layers: Sequence[_Layer], objects: StoredObjects, known: KnownLayers) -> list[_Contents]:
    keys = [(layer.blob.digest, layer.blob.size, layer.diff_id) for layer in layers]
    new = {key: layer for key, layer in zip(keys, layers, strict=True) if key not in known}
    if new:
        objects.awaiting(sum(layer.blob.size for layer in new.values()))
        with workers("verify", min(_AT_ONCE, len(new))) as pool:
            known |= zip(new, pool.map(lambda layer: _read(layer, objects), new.values()), strict=True)
    return [known[key] for key in keys]


def _read(layer: _Layer, objects: StoredObjects) -> _Contents:
    """Hash the blob and its tar in one reading, and note what the tar holds."""
    if suffix_of_layer(layer.blob.media_type) is None:
        raise RejectedError(
            f"the layer {layer.blob.digest} is of a kind that can't be read: {layer.blob.media_type[:100]}",
            hint="check it with the tool that made it: it is encrypted, or lies somewhere else",
        )
    with objects.opened(layer.blob, awaited=True) as blob:
        found, contents = "", _Contents(LayerPaths())
        try:
            with uncompressed(Unclosed(blob)) as plain:
                tar = Hashing(_Limited(plain, layer.blob), layer.diff_id.partition(":")[0])
                contents = _contents(tar)
                while tar.read(CHUNK):
                    pass
                found = tar.digest
        except DamagedError:
            pass  # the digest of the blob tells whether it was changed there, or was made so
        blob.drain()
    if found != layer.diff_id:
        raise RejectedError(
            f"the layer {layer.blob.digest} does not unpack to {layer.diff_id}, which the config states",
            hint=DAMAGED,
        )
    return contents


class _Limited(Wrapper):
    """What a layer unpacks to. RejectedError where that is more than any layer of its size holds."""

    def __init__(self, plain: Reader, blob: Descriptor) -> None:
        super().__init__(plain)
        times, more = _UNPACKED
        self._left = blob.size * times + more
        self._blob = blob

    def read(self, size: int = -1, /) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise RejectedError(
                f"the layer {self._blob.digest} has {counted(self._blob.size, 'byte')}, and unpacks to more than {_UNPACKED[0]:,} times that",
                hint="do not run the image: such a layer is made to fill a disk",
            )
        return data


def _contents(tar: Hashing) -> _Contents:
    found = NotedPaths()
    try:
        for member in TarReader(tar, most=MOST_OF_LAYER):
            found.note(member.name)
    except (
        DamagedError,
        NotAnImageError,
    ):  # the digest of the tar decides whether it is the one that was meant
        return _Contents(found.noted, whole=False)
    return _Contents(found.noted)


def _config(data: bytes, entry: Descriptor) -> Mapping[str, Any]:
    try:
        return as_engines_read(decode_object(data))
    except ValueError as error:
        raise RejectedError(f"the config {entry.digest} can't be read: {error}", hint=DAMAGED) from error


def _diff_ids(config: Mapping[str, Any], manifest: StoredManifest) -> list[Digest]:
    rootfs = config.get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(found, list):
        raise RejectedError(f"the config of {manifest.entry.digest} states no diff_ids", hint=DAMAGED)
    try:
        return [parse_digest(each) for each in found]
    except ValueError as error:
        raise RejectedError(f"the config of {manifest.entry.digest}: {error}", hint=DAMAGED) from error


def _platform(config: Mapping[str, Any], manifest: StoredManifest) -> str:
    """The platform that the config states. RejectedError where the index lists the image for another."""
    os, architecture, variant = (str(config.get(key) or "") for key in ("os", "architecture", "variant"))
    own, listed = Platform.of(os, architecture, variant), manifest.entry.platform
    if listed and listed.architecture and not (own.means(listed) or own.serves(listed)):
        raise RejectedError(
            f"the index lists {manifest.entry.digest} for {listed}, and its config is for {own}",
            hint="publish the image again: its platforms are mixed up",
        )
    return str(own)
