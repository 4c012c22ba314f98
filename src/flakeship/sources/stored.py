"""Images that are blobs by digest, in a layout or a registry: from a descriptor over manifests and configs to `Image`s.

https://github.com/opencontainers/image-spec/blob/main/manifest.md and image-index.md
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from flakeship.errors import NotAnImageError
from flakeship.image.adopt import Checked
from flakeship.image.claims import image_of
from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.inflate import suffix_of, uncompressed
from flakeship.image.media_types import DOCKER, OCI
from flakeship.image.model import Descriptor, Digest, Image, Layer, Platform, ReadyBlob, parse_digest
from flakeship.image.stamp import unstamped
from flakeship.image.stream import Reader, chunks, read_full
from flakeship.image.tar import BLOCK

INDEXES: Final = frozenset({OCI.index, DOCKER.index})
MANIFESTS: Final = frozenset({OCI.manifest, DOCKER.manifest})

_CONFIGS: Final = frozenset({OCI.config, DOCKER.config})
_SUFFIXES: Final = {
    media_type: suffix for family in (OCI, DOCKER) for suffix, media_type in family.layers.items()
}
_DEPTH: Final = 4
_ENTRIES: Final = 200
_DAMAGED: Final = "the image is damaged, or not made by a builder that flakeship knows; make it again"
_NOWHERE: Final = Platform("unknown", "unknown")
"""Of what is no image but a statement on one: https://docs.docker.com/build/metadata/attestations/attestation-storage/."""


class Blobs(Protocol):
    """Where the blobs are. `here` is False for a network, where layers are not read unless they must be."""

    what: str
    here: bool

    def open(self, digest: Digest) -> Reader:
        """NotAnImageError where there is none."""

    def size(self, digest: Digest) -> int | None:
        """In bytes, None where there is none. Only asked of what is here."""


class StoredImage:
    """One image; its config is read at once, its layers any number of times."""

    forward_only = False

    def __init__(
        self, blobs: Blobs, entry: Descriptor, *, names: Sequence[str] = (), as_is: bool = False
    ) -> None:
        what = f"the manifest {entry.digest} of {blobs.what}"
        manifest = document(blobs, entry)
        config, layers = _parts(manifest, what)
        configured = f"the config {config.digest} of {blobs.what}"
        annotations = _texts(manifest.get("annotations"), what)
        content = document(blobs, config)
        if not as_is:
            content, annotations = unstamped(content, annotations)
        image = image_of(content, [str(place) for place in range(len(layers))], what=configured, names=names)
        diff_ids = [diff_id for diff_id in image.diff_ids if diff_id]
        self._layers = {
            diff_id: _layer(blobs, layer, diff_id) for layer, diff_id in zip(layers, diff_ids, strict=True)
        }
        self._image = replace(image, layers=tuple(diff_ids), annotations=annotations)

    def layers(self) -> Iterator[Layer]:
        return iter(self._layers.values())

    def image(self) -> Image:
        return self._image


class StoredIndex:
    """Images for several platforms under one name."""

    forward_only = False

    def __init__(self, images: Sequence[StoredImage], annotations: Mapping[str, str]) -> None:
        self._images, self.annotations = images, annotations

    def layers(self) -> Iterator[Layer]:
        return iter({layer.key: layer for image in self._images for layer in image.layers()}.values())

    def image(self) -> Image:
        return self._images[0].image()

    def images(self) -> tuple[Image, ...]:
        return tuple(image.image() for image in self._images)


@dataclass(frozen=True, slots=True)
class Found:
    """What an index leads to: manifests of images, each with its platform, and how many others were left out."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    left_out: int = 0


def document(blobs: Blobs, entry: Descriptor) -> dict[str, Any]:
    """A JSON document by its descriptor. NotAnImageError where it is missing, too large, or another."""
    called = f"{entry.digest} of {blobs.what}"
    if blobs.here:
        _check_size(blobs, entry)
    if entry.size > DOCUMENT_LIMIT:
        raise NotAnImageError(f"the document {called} has more than {DOCUMENT_LIMIT} bytes", hint=_DAMAGED)
    with Checked(blobs.open(entry.digest), entry.digest) as reader:
        data = read_full(reader, DOCUMENT_LIMIT + 1)
        for _ in chunks(reader):
            raise NotAnImageError(
                f"the document {called} has more than {DOCUMENT_LIMIT} bytes", hint=_DAMAGED
            )
        reader.check()
    try:
        return decode_object(data)
    except ValueError as error:
        raise NotAnImageError(f"the document {called} can't be read: {error}", hint=_DAMAGED) from error


def descriptor(entry: Any, what: str) -> Descriptor:
    """NotAnImageError where it is none."""
    try:
        size, media_type = entry["size"], entry.get("mediaType", "")
        if type(size) is not int or size < 0 or not isinstance(media_type, str):
            raise ValueError(f"the size {size!r} or the media type {media_type!r} can't be")
        platform = entry.get("platform")
        return Descriptor(
            media_type,
            parse_digest(entry["digest"]),
            size,
            _texts(entry.get("annotations"), what),
            Platform(str(platform["os"]), str(platform["architecture"]), str(platform.get("variant") or ""))
            if platform
            else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise NotAnImageError(f"{what} holds a descriptor that is none: {error!r}", hint=_DAMAGED) from error


def is_index(blobs: Blobs, entry: Descriptor) -> bool:
    """By its media type, or where it has none by what it holds. NotAnImageError for what is neither image nor index."""
    if entry.media_type in INDEXES | MANIFESTS:
        return entry.media_type in INDEXES
    content = document(blobs, entry) if not entry.media_type else {}
    said = entry.media_type or content.get("mediaType")
    if said in INDEXES or (not said and "manifests" in content):
        return True
    if said in MANIFESTS or (not said and "layers" in content and "config" in content):
        return False
    raise NotAnImageError(
        f"{blobs.what} holds something of the media type {said!r}, and no image",
        hint="schema 1 manifests and artifacts can't be published as images; make the image anew",
    )


def found_in(blobs: Blobs, entry: Descriptor, *, sparse: bool = False, depth: int = 1) -> Found:
    """All images below an index, those of indexes in it too. With `sparse` what is missing is left out."""
    if depth > _DEPTH:
        raise NotAnImageError(f"{blobs.what} holds an index {_DEPTH} levels deep in others", hint=_DAMAGED)
    index = document(blobs, entry)
    what = f"the index {entry.digest} of {blobs.what}"
    return images_of(
        blobs, entries(index, what), _texts(index.get("annotations"), what), sparse=sparse, depth=depth
    )


def images_of(
    blobs: Blobs,
    listed: Sequence[Descriptor],
    annotations: Mapping[str, str],
    *,
    sparse: bool = False,
    depth: int = 1,
) -> Found:
    """Those that the entries of an index lead to. NotAnImageError where there are none."""
    manifests: list[Descriptor] = []
    left_out = 0
    for child in listed:
        if child.platform == _NOWHERE or (sparse and blobs.size(child.digest) is None):
            left_out += 1
        elif is_index(blobs, child):
            below = found_in(blobs, child, sparse=sparse, depth=depth + 1)
            manifests += below.manifests
            left_out += below.left_out
        else:
            manifests.append(child)
    if not manifests:
        raise NotAnImageError(f"{blobs.what} holds an index without an image", hint=_DAMAGED)
    return Found(tuple({entry.digest: entry for entry in manifests}.values()), annotations, left_out)


def entries(index: Mapping[str, Any], what: str) -> list[Descriptor]:
    listed = index.get("manifests")
    if not isinstance(listed, list) or len(listed) > _ENTRIES:
        raise NotAnImageError(f"{what} lists no manifests, or more than {_ENTRIES}", hint=_DAMAGED)
    return [descriptor(entry, what) for entry in listed]


def _parts(manifest: Mapping[str, Any], what: str) -> tuple[Descriptor, list[Descriptor]]:
    config, layers = descriptor(manifest.get("config"), what), manifest.get("layers")
    if config.media_type not in _CONFIGS:
        raise NotAnImageError(
            f"{what} is no image: its config is of the media type {config.media_type!r}",
            hint="flakeship publishes container images; for other artifacts use `oras`",
        )
    if not isinstance(layers, list):
        raise NotAnImageError(f"{what} lists no layers", hint=_DAMAGED)
    return config, [descriptor(layer, what) for layer in layers]


def _layer(blobs: Blobs, entry: Descriptor, diff_id: Digest) -> Layer:
    suffix = _suffix(blobs, entry)
    open_blob = functools.partial(blobs.open, entry.digest)
    if blobs.here:
        _check_size(blobs, entry)
        with open_blob() as reader:
            suffix = suffix_of(read_full(reader, BLOCK))
    ready = ReadyBlob(entry.digest, entry.size, suffix, open_blob, here=blobs.here)
    return Layer(
        diff_id,
        functools.partial(_tar, open_blob),
        diff_id,
        annotations=entry.annotations,
        ready=ready if suffix or not blobs.here else None,
    )


def _tar(open_blob: functools.partial[Reader]) -> Reader:
    return uncompressed(open_blob())


def _suffix(blobs: Blobs, entry: Descriptor) -> str:
    suffix = _SUFFIXES.get(entry.media_type)
    if suffix is not None:
        return suffix
    called = f"layer {entry.digest} of {blobs.what}"
    if "nondistributable" in entry.media_type or ".foreign." in entry.media_type:
        raise NotAnImageError(
            f"{called} may not be distributed: {entry.media_type}",
            hint="such layers (of Windows, mostly) stay where their maker keeps them; use another base image",
        )
    if "+encrypted" in entry.media_type:
        raise NotAnImageError(
            f"{called} is encrypted: {entry.media_type}",
            hint="decrypt the image first: `skopeo copy --decryption-key KEY …`",
        )
    raise NotAnImageError(
        f"{called} is of an unknown media type: {entry.media_type!r}",
        hint="flakeship knows layers that are a tar, plain or compressed with gzip or zstd",
    )


def _check_size(blobs: Blobs, entry: Descriptor) -> None:
    size = blobs.size(entry.digest)
    if size != entry.size:
        there = "is missing" if size is None else f"has {size} bytes, and not {entry.size}"
        raise NotAnImageError(f"{blobs.what} is not whole: its blob {entry.digest} {there}", hint=_DAMAGED)


def _texts(value: Any, what: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise NotAnImageError(f"{what} has annotations that are not text", hint=_DAMAGED)
    return value
