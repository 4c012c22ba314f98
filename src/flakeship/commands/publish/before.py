"""The image that a tag named before, and how large it was: known where it was read for the layers' sake, and never asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from flakeship.destinations.protocol import Published
from flakeship.image.existing import ExistingImage
from flakeship.image.model import Digest, Packed, PackedIndex, Platform
from flakeship.report.summary import Before

NewImage: TypeAlias = Packed | ExistingImage
"""An image of this run, or one that `merge` found where other jobs have pushed it."""


class ImagesBefore(NamedTuple):
    """What a name led to before this run: one image for each platform of the new one, in its order."""

    name: str
    images: tuple[ExistingImage, ...]


def image_before(
    packed: Packed | PackedIndex, published: Sequence[Published], existing: Iterable[ExistingImage]
) -> Before | None:
    """Return what the first of the image's tags that named something before did name, for the same platforms.

    None where every tag is new, where nothing was read of what the tags named, or not all of it.
    """
    # docs/decisions.md#a-size-is-compared-without-a-request
    tags = dict.fromkeys(tag for item in published for tag in item.tags)
    found = images_before(packed.images, tags, existing)
    return Before(found.name, _size_of(found.images)) if found else None


def images_before(
    new: Sequence[NewImage], names: Iterable[str], existing: Iterable[ExistingImage]
) -> ImagesBefore | None:
    """Return what the first of `names` that led to something did lead to, for the same platforms; None as in `image_before`."""
    by_name: dict[str, list[ExistingImage]] = {}
    for image in existing:
        by_name.setdefault(image.reference, []).append(image)
    platforms = [platform_of(image) for image in new]
    found = ((name, _for_each(by_name[name], platforms)) for name in names if name in by_name)
    return next((ImagesBefore(name, images) for name, images in found if images), None)


def platform_of(image: NewImage) -> Platform:
    """The platform that its config states."""
    return image.image.platform if isinstance(image, Packed) else image.platform


def is_same(new: Sequence[NewImage], before: ImagesBefore) -> bool:
    """Whether each image has the config that it had: then it has the same layers too, packed this way or another."""
    return all(
        image.config_descriptor.digest == old.config_descriptor.digest
        for image, old in zip(new, before.images, strict=True)
    )


def _for_each(images: Sequence[ExistingImage], platforms: Sequence[Platform]) -> tuple[ExistingImage, ...]:
    """The image of each platform; empty unless there is one for each, and all its layers are known."""
    found: list[ExistingImage] = []
    for platform in platforms:
        of_platform = [image for image in images if image.platform.means(platform)]
        if len(of_platform) != 1 or not all(of_platform[0].layers):
            return ()
        found += of_platform
    return tuple(found)


def _size_of(images: Iterable[ExistingImage]) -> int:
    """The bytes of all layers, each blob once."""
    sizes: dict[Digest, int] = {
        layer.digest: layer.size for image in images for layer in image.layers if layer
    }
    return sum(sizes.values())
