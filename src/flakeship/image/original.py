"""An image as its source has it, byte for byte: what a copy is that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flakeship.image.document import decode_object
from flakeship.image.existing import children
from flakeship.image.media_types import DOCKER
from flakeship.image.model import Descriptor, Digest, IndexEntry, Packed, PackedIndex


@dataclass(frozen=True, slots=True)
class OriginalImage:
    """The bytes of a manifest and of its config; `entry` is the manifest's descriptor where it was found."""

    entry: Descriptor
    manifest: bytes
    config: bytes

    def kept_by(self, packed: Packed) -> Packed | None:
        """The packed image with these bytes; None where its layers were packed anew, and so are other blobs."""
        stated = decode_object(self.manifest)
        if [layer["digest"] for layer in stated["layers"]] != [
            layer.descriptor.digest for layer in packed.layers
        ]:
            return None
        return replace(
            packed,
            manifest=self.manifest,
            config=self.config,
            descriptor=replace(
                packed.descriptor,
                media_type=self.entry.media_type,
                digest=self.entry.digest,
                size=len(self.manifest),
            ),
            config_descriptor=Descriptor.of(stated["config"].get("mediaType", ""), self.config),
        )


@dataclass(frozen=True, slots=True)
class Original:
    """What a source of a registry holds. `index` are the bytes of the index that lists the images, and empty where a single
    manifest is wanted. `entry` is of what is wanted; None for some images of an index, which no document lists alone.
    """

    images: tuple[OriginalImage, ...]
    entry: Descriptor | None
    index: bytes = b""

    @property
    def is_dockers(self) -> bool:
        """True if it has docker's media types throughout."""
        return all(image.entry.media_type == DOCKER.manifest for image in self.images)

    @property
    def others(self) -> tuple[Digest, ...]:
        """What the index lists beside the images: attestations, signatures, indexes."""
        own = {image.entry.digest for image in self.images}
        return tuple(each for each in children(decode_object(self.index)) if each not in own)

    def kept_by(self, packed: Sequence[Packed]) -> Packed | PackedIndex | None:
        """The packed images with the bytes that the source has; None where they differ in more than their spelling."""
        kept = [each for own, image in zip(self.images, packed, strict=True) if (each := own.kept_by(image))]
        if self.entry is None or len(kept) < len(packed):
            return None
        if not self.index:
            return kept[0]
        return PackedIndex(
            self.index, self.entry, tuple(IndexEntry(image.descriptor, image) for image in kept)
        )
