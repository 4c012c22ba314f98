"""How large an image was that a tag named before: known where it was read for the layers' sake, and never asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flakeship.destinations.protocol import Published
from flakeship.image.existing import ExistingImage
from flakeship.image.model import Digest, Packed, PackedIndex, Platform
from flakeship.report.summary import Before


def image_before(
    packed: Packed | PackedIndex, published: Sequence[Published], existing: Iterable[ExistingImage]
) -> Before | None:
    """Return what the first of the image's tags that named something before did name, for the same platforms.

    None where every tag is new, where nothing was read of what the tags named, or not all of it.
    """
    # docs/decisions.md#a-size-is-compared-without-a-request
    by_name: dict[str, list[ExistingImage]] = {}
    for image in existing:
        by_name.setdefault(image.reference, []).append(image)
    platforms = [image.image.platform for image in packed.images]
    tags = dict.fromkeys(tag for item in published for tag in item.tags)
    found = ((tag, _size_of(by_name[tag], platforms)) for tag in tags if tag in by_name)
    return next((Before(tag, size) for tag, size in found if size is not None), None)


def _size_of(images: Sequence[ExistingImage], platforms: Sequence[Platform]) -> int | None:
    """The bytes of all layers of these platforms, each blob once; None unless there is one image for each of them."""
    sizes: dict[Digest, int] = {}
    for platform in platforms:
        of_platform = [image for image in images if image.platform.means(platform)]
        if len(of_platform) != 1 or not all(of_platform[0].layers):
            return None
        sizes |= {layer.digest: layer.size for layer in of_platform[0].layers if layer}
    return sum(sizes.values()) if platforms else None
