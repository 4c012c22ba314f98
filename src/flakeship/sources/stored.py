"""Images that are blobs by digest, in a layout or a registry: from a manifest and its config to an `Image`.

https://github.com/opencontainers/image-spec/blob/main/manifest.md
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from flakeship.errors import NotAnImageError
from flakeship.image.claims import image_of
from flakeship.image.existing import media_type_of
from flakeship.image.inflate import is_compressed, suffix_of, uncompressed
from flakeship.image.layout import NAMES
from flakeship.image.media_types import CONFIGS, SAYS_LITTLE, plain_type, suffix_of_layer
from flakeship.image.model import CompressedBlob, Descriptor, Digest, Image, Layer, Platform, key_of
from flakeship.image.stamp import without_facts
from flakeship.image.stream import Reader, read_full
from flakeship.image.tar.blocks import BLOCK
from flakeship.image.tar.reader import is_tar
from flakeship.sources.blobs import (
    DAMAGED,
    Blobs,
    check_size,
    document,
    document_bytes,
    parse_annotations,
    parse_descriptor,
)
from flakeship.sources.choice import choose_platforms
from flakeship.sources.documents import manifest_bytes
from flakeship.sources.indexes import Artifact, FoundIndex, ImageManifest, ImageManifests, platform_as_listed

if TYPE_CHECKING:
    from flakeship.image.original import Original, OriginalImage


@runtime_checkable
class Stored(Protocol):
    """A source that keeps manifests, and may hold more than images; `artifacts` are published nowhere.

    `digests` are those of the images' manifests, in the order of the images.
    """

    artifacts: Sequence[Artifact]
    digests: Sequence[Digest]
    index: FoundIndex | None


class StoredImage:
    """One image; its config is read at once, its layers any number of times."""

    forward_only = False

    def __init__(
        self,
        blobs: Blobs,
        found: ImageManifest,
        *,
        names: Sequence[str] = (),
        as_is: bool = False,
        artifacts: Sequence[Artifact] = (),
        index: FoundIndex | None = None,
    ) -> None:
        self.artifacts, self.index = artifacts, index
        entry, manifest = found.entry, found.content
        self.digests: Sequence[Digest] = (entry.digest,)
        self.original: Callable[[], Original | None] = lambda: None
        what = f"the manifest {entry.digest} of {blobs.what}"
        config, layers = _parts(manifest, what)
        configured = f"the config {config.digest} of {blobs.what}"
        self._blobs, self._manifest, self._config = blobs, manifest, config
        annotations = parse_annotations(manifest.get("annotations"), what)
        content = document(blobs, config)
        if not as_is:
            content, annotations = without_facts(content, annotations)
        image = image_of(content, len(layers), what=configured, names=names)
        stated = [(layer, diff_id) for layer, diff_id in zip(layers, image.diff_ids, strict=True) if diff_id]
        keys = tuple(key_of(diff_id, layer.digest) for layer, diff_id in stated)
        # docs/decisions.md#two-blobs-of-one-tar-stay-two
        unique = dict(zip(keys, stated, strict=True))
        self._layers = {key: _layer(blobs, layer, diff_id) for key, (layer, diff_id) in unique.items()}
        self._image = replace(
            image, layers=keys, annotations=annotations, artifact_type=_artifact_type(manifest)
        )
        self._entry, self._own_platform = entry, image.platform
        self.platform = platform_as_listed(entry, image.platform)
        """What the entry says of it, which is its own word where no index lists it."""

    def stay_listed(self) -> None:
        """Keep what its entry says, for it stays in its index."""
        self._image = _as_listed(self._image, self._entry)

    def leave_index(self, *, chosen: bool) -> None:
        """Stand alone; what its entry says of the platform is kept where that completes its own word, or where it was chosen by it."""
        if chosen or self.platform.normal[:2] == self._own_platform.normal[:2]:
            self._image = replace(self._image, platform=self.platform)

    def layers(self) -> Iterator[Layer]:
        """Yield each layer once."""
        return iter(self._layers.values())

    def image(self) -> Image:
        """Return the image."""
        return self._image

    def as_kept(self) -> OriginalImage:
        """Read its manifest and its config as they are."""
        from flakeship.image.original import OriginalImage

        media_type = media_type_of(self._manifest) or self._entry.media_type
        return OriginalImage(
            replace(self._entry, media_type=media_type),
            manifest_bytes(self._blobs, self._entry),
            document_bytes(self._blobs, self._config),
        )


class StoredIndex:
    """Images for several platforms under one name."""

    forward_only = False

    def __init__(
        self,
        images: Sequence[StoredImage],
        annotations: Mapping[str, str],
        artifacts: Sequence[Artifact] = (),
        index: FoundIndex | None = None,
    ) -> None:
        self._images, self.annotations, self.artifacts = images, annotations, artifacts
        self.index = index
        self.original: Callable[[], Original | None] = lambda: None
        self.digests = tuple(digest for image in images for digest in image.digests)

    def layers(self) -> Iterator[Layer]:
        """Yield each layer of all images once."""
        return iter({layer.key: layer for image in self._images for layer in image.layers()}.values())

    def image(self) -> Image:
        """Return the first image."""
        return self._images[0].image()

    def images(self) -> tuple[Image, ...]:
        """Return all images, in the order of the index."""
        return tuple(image.image() for image in self._images)


def open_images(
    blobs: Blobs,
    found: ImageManifests,
    *,
    platforms: Sequence[Platform] = (),
    names: Sequence[str] = (),
    as_is: bool = False,
    named: Descriptor | None = None,
) -> StoredImage | StoredIndex:
    """One image, or all of an index; of several platforms those that are wanted, if some are. UsageError for others.

    `named` is what a registry was asked for, whose bytes a copy is to keep if it changes nothing.
    """
    images = [
        StoredImage(blobs, manifest, names=names, as_is=as_is, artifacts=found.artifacts, index=found.index)
        for manifest in found.manifests
    ]
    if len(images) > 1 and platforms:
        places = choose_platforms([image.platform for image in images], platforms, what=blobs.what)
        images = [images[place] for place in places]
    if len(images) == 1:
        images[0].leave_index(chosen=bool(platforms))
        opened: StoredImage | StoredIndex = images[0]
    else:
        for image in images:
            image.stay_listed()
        opened = StoredIndex(images, found.annotations, found.artifacts, found.index)
    if named:
        opened.original = functools.partial(_original, blobs, named, found, images, chosen=bool(platforms))
    return opened


def _original(
    blobs: Blobs, named: Descriptor, found: ImageManifests, images: Sequence[StoredImage], *, chosen: bool
) -> Original:
    from flakeship.image.original import Original

    kept = tuple(image.as_kept() for image in images)
    if found.index is None:
        return Original(kept, kept[0].entry)
    whole = Original(kept, named, manifest_bytes(blobs, named))
    if not (chosen and whole.others):
        return whole
    return Original(kept, kept[0].entry if len(kept) == 1 else None)


def _as_listed(image: Image, entry: Descriptor) -> Image:
    """Return the image with the platform and annotations of its index entry; fields that are absent there stay as in the config."""
    annotations = {key: value for key, value in entry.annotations.items() if key not in NAMES}
    return replace(
        image,
        platform=platform_as_listed(entry, image.platform),
        descriptor_annotations=annotations,
        artifact_type=entry.artifact_type or image.artifact_type,
    )


def _artifact_type(manifest: Mapping[str, Any]) -> str:
    said = manifest.get("artifactType")
    return said if isinstance(said, str) else ""


def _parts(manifest: Mapping[str, Any], what: str) -> tuple[Descriptor, list[Descriptor]]:
    config, layers = parse_descriptor(manifest.get("config"), what), manifest.get("layers")
    if plain_type(config.media_type) not in CONFIGS | SAYS_LITTLE:
        raise NotAnImageError(
            f"{what} is not an image: its config has the media type {config.media_type!r}",
            hint="name a container image; for other artifacts use `oras`",
        )
    if not isinstance(layers, list):
        raise NotAnImageError(f"{what} lists no layers", hint=DAMAGED)
    return config, [parse_descriptor(layer, what) for layer in layers]


def _layer(blobs: Blobs, entry: Descriptor, diff_id: Digest) -> Layer:
    open_blob = functools.partial(_sized, blobs, entry)
    suffix = _suffix(blobs, entry, open_blob)
    compressed = CompressedBlob(entry.digest, entry.size, suffix, open_blob, here=blobs.here)
    return Layer(
        key_of(diff_id, entry.digest),
        functools.partial(_tar, open_blob),
        diff_id,
        annotations=entry.annotations,
        compressed=compressed if suffix or not blobs.here else None,
        member=entry.digest,
    )


def _sized(blobs: Blobs, entry: Descriptor) -> Reader:
    check_size(blobs, entry)
    return blobs.open(entry.digest)


def _tar(open_blob: functools.partial[Reader]) -> Reader:
    return uncompressed(open_blob())


def _suffix(blobs: Blobs, entry: Descriptor, open_blob: functools.partial[Reader]) -> str:
    """How a layer is compressed: by its bytes, which are not read from a registry if the media type says it."""
    called = f"layer {entry.digest} of {blobs.what}"
    if "nondistributable" in entry.media_type or ".foreign." in entry.media_type:
        raise NotAnImageError(
            f"{called} may not be distributed: {entry.media_type}",
            hint="use another base image: such layers, mostly of Windows, may only be had from their maker",
        )
    if "+encrypted" in entry.media_type:
        raise NotAnImageError(
            f"{called} is encrypted: {entry.media_type}",
            hint="decrypt the image first: `skopeo copy --decryption-key KEY …`",
        )
    # docs/decisions.md#a-blobs-first-bytes-say-its-compression
    said = suffix_of_layer(entry.media_type)
    if said is not None and not blobs.here:
        return said
    with open_blob() as reader:
        head = read_full(reader, BLOCK)
    suffix = suffix_of(head)
    repacked = blobs.here and is_compressed(head)  # xz and bzip2 can't be named in a manifest
    if said is None and not (is_tar(head) or suffix or repacked):
        raise NotAnImageError(
            f"{called} has an unknown media type, {entry.media_type!r}, and is not a tar",
            hint="make the layer a tar, plain or compressed with gzip or zstd",
        )
    return suffix
