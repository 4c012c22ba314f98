"""Find the manifests of images in an index, and in the indexes that it lists; and tell which entries are no images.

https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flakeship.errors import NotAnImageError
from flakeship.image.media_types import CONFIGS, MANIFESTS, SAYS_LITTLE, plain_type
from flakeship.image.model import Descriptor, Digest, Platform
from flakeship.sources.blobs import DAMAGED, Blobs, parse_annotations, parse_descriptor
from flakeship.sources.choice import check_one_version
from flakeship.sources.documents import listed_is_index, manifest_document

_DEPTH: Final = 4
_ENTRIES: Final = 200
REFERENCE_TYPE: Final = "vnd.docker.reference.type"
"""Annotation of an entry by which docker says that it is a statement on another, and of which kind."""
REFERENCE_DIGEST: Final = "vnd.docker.reference.digest"
"""Annotation that names the other by its digest."""

_LAYERS: Final = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.docker.container.image.rootfs.",
)
"""What the media types of layers begin with, also of those that can't be published."""


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """An image's manifest: the entry that lists it, and what it says."""

    entry: Descriptor
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Artifact:
    """An entry that is no image. `kind` is its artifact type, or the media type that shows what it is.

    `subject` is the digest of what it is about, empty where it does not say.
    """

    entry: Descriptor
    kind: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class FoundIndex:
    """An index that has a digest, which the index.json of a layout has not."""

    digest: Digest
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ImageManifests:
    """The manifests of images that an index leads to, and what stands beside them. `missing` counts entries without a blob.

    `index` is None where a single manifest was asked for, or what an index.json lists.
    """

    manifests: tuple[ImageManifest, ...]
    annotations: Mapping[str, str]
    artifacts: tuple[Artifact, ...] = ()
    missing: int = 0
    index: FoundIndex | None = None

    @property
    def left_out(self) -> int:
        """How many entries are no images, or are missing."""
        return len(self.artifacts) + self.missing


def image_alone(blobs: Blobs, entry: Descriptor) -> ImageManifests:
    """Return the one manifest that no index lists: whether it is an image is said when it is opened."""
    return ImageManifests((ImageManifest(entry, manifest_document(blobs, entry)),), {})


def manifests_below(
    blobs: Blobs, entry: Descriptor, *, platforms: Sequence[Platform] = (), sparse: bool = False
) -> ImageManifests:
    """Return the images of an index and of the indexes in it. With `sparse`, what is missing is left out."""
    index = manifest_document(blobs, entry)
    what = f"the index {entry.digest} of {blobs.what}"
    annotations = parse_annotations(index.get("annotations"), what)
    found = manifests_among(blobs, entries(index, what), annotations, platforms=platforms, sparse=sparse)
    return replace(found, index=FoundIndex(entry.digest, annotations))


def manifests_among(
    blobs: Blobs,
    listed: Sequence[Descriptor],
    annotations: Mapping[str, str],
    *,
    platforms: Sequence[Platform] = (),
    sparse: bool = False,
) -> ImageManifests:
    """Return the images that these entries of an index lead to; where they state all of `platforms`, the best for each.

    What is not asked for is not read, so that it may be whatever it is. NotAnImageError where there is no image.
    """
    leaves = _Leaves(blobs, sparse=sparse)
    leaves.add(listed)
    manifests = leaves.serving(platforms)
    if not manifests:
        manifests = leaves.images()
        leaves.check_no_artifact(platforms, manifests)
    if not manifests and leaves.artifacts:
        kinds = ", ".join(sorted({artifact.kind for artifact in leaves.artifacts.values()}))
        raise NotAnImageError(
            f"{blobs.what} holds {kinds}, which is not an image",
            hint="name a container image; for other artifacts use `oras`",
        )
    if not manifests:
        raise NotAnImageError(f"{blobs.what} holds an index without an image", hint=DAMAGED)
    return ImageManifests(manifests, annotations, tuple(leaves.artifacts.values()), leaves.missing)


class _Leaves:
    """The entries of an index and of those in it, sorted into those that may be an image and those that are not."""

    def __init__(self, blobs: Blobs, *, sparse: bool) -> None:
        self._blobs, self._sparse = blobs, sparse
        # A manifest may be listed for several platforms, but again and again it would grow with depth
        self._entries: dict[tuple[Digest, Platform | None], Descriptor] = {}
        self._indexes: set[Digest] = set()
        self._contents: dict[Digest, Mapping[str, Any]] = {}
        self.artifacts: dict[Digest, Artifact] = {}
        self.missing = 0

    def add(self, listed: Sequence[Descriptor], depth: int = 1) -> None:
        """Sort the entries in by what they say of themselves, indexes by what they list."""
        for entry in listed:
            if artifact := artifact_by_entry(entry):
                self.artifacts[entry.digest] = artifact
            elif self._sparse and self._blobs.size(entry.digest) is None:
                self.missing += 1
            elif (index := listed_is_index(self._blobs, entry)) is None:
                self.artifacts[entry.digest] = Artifact(entry, entry.media_type)
            elif not index:
                self._entries.setdefault((entry.digest, entry.platform), entry)
            elif entry.digest not in self._indexes:
                self._indexes.add(entry.digest)
                self._descend(entry, depth + 1)

    def _descend(self, entry: Descriptor, depth: int) -> None:
        if depth > _DEPTH:
            raise NotAnImageError(
                f"{self._blobs.what} holds an index {_DEPTH} levels deep in others", hint=DAMAGED
            )
        what = f"the index {entry.digest} of {self._blobs.what}"
        self.add(entries(manifest_document(self._blobs, entry), what), depth)

    def serving(self, wanted: Sequence[Platform]) -> tuple[ImageManifest, ...]:
        """The images of the entries that state these platforms, in the order of the index; none unless all are stated."""
        found = [self._serving(platform) for platform in wanted]
        chosen = {(image.entry.digest, image.entry.platform): image for image in found if image}
        return tuple(chosen[key] for key in self._entries if key in chosen) if all(found) else ()

    def _serving(self, wanted: Platform) -> ImageManifest | None:
        """The image of the first entry that states this platform, else of one that serves it."""
        stated = [entry for entry in self._entries.values() if states_platform(entry)]
        fitting = [entry for entry in stated if entry.platform and entry.platform.serves(wanted)]
        check_one_version(
            [entry.platform for entry in fitting if entry.platform], wanted, what=self._blobs.what
        )
        fitting.sort(key=lambda entry: not (entry.platform and entry.platform.means(wanted)))
        return next(self._read(fitting), None)

    def check_no_artifact(self, wanted: Sequence[Platform], images: Sequence[ImageManifest]) -> None:
        """NotAnImageError where what states a platform wanted is no image, and none of the images may be for it."""
        if not all(states_platform(image.entry) for image in images):
            return
        stated = [each for each in self.artifacts.values() if states_platform(each.entry)]
        for platform in wanted:
            if any(image.entry.platform and image.entry.platform.serves(platform) for image in images):
                continue
            for other in stated:
                if other.entry.platform and other.entry.platform.serves(platform):
                    raise NotAnImageError(
                        f"what {self._blobs.what} holds for {platform} is {other.kind}, which is not an image",
                        hint="choose a platform for which it holds an image; `flakeship inspect` lists all",
                    )

    def images(self) -> tuple[ImageManifest, ...]:
        """All images, each entry read."""
        return tuple(self._read(list(self._entries.values())))

    def _read(self, listed: Sequence[Descriptor]) -> Iterator[ImageManifest]:
        for entry in listed:
            content = self._contents.get(entry.digest)
            if content is None:
                content = self._contents[entry.digest] = manifest_document(self._blobs, entry)
            if artifact := artifact_by_content(entry, content):
                self.artifacts[entry.digest] = artifact
            else:
                yield ImageManifest(entry, content)


def states_platform(entry: Descriptor) -> bool:
    """Return True if the entry says for which OS and CPU it is."""
    platform = entry.platform
    return bool(platform and platform.os and platform.architecture) and not _is_nowhere(platform)


def platform_as_listed(entry: Descriptor, own: Platform) -> Platform:
    """Return the platform that the entry states; where it leaves something open, it is as the image's config has it."""
    if entry.platform is None or not states_platform(entry):
        return own
    stated = entry.platform
    if not stated.variant and stated.normal[:2] == own.normal[:2]:
        stated = replace(stated, variant=own.variant)
    if stated.os != own.os:
        return stated
    return replace(
        stated,
        os_version=stated.os_version or own.os_version,
        os_features=stated.os_features or own.os_features,
    )


def _is_nowhere(platform: Platform | None) -> bool:
    """Of what is no image but a statement on one: https://docs.docker.com/build/metadata/attestations/attestation-storage/."""
    return platform is not None and (platform.os, platform.architecture) == ("unknown", "unknown")


def artifact_at(blobs: Blobs, entry: Descriptor) -> Artifact | None:
    """Return what an entry is if it is no image, by itself or by its manifest; of an index, if nothing that it lists is an image.

    What is missing or can't be read counts as an image, for whoever opens it says best what is wrong.
    """
    if artifact := artifact_by_entry(entry):
        return artifact
    try:
        index = listed_is_index(blobs, entry)
        if index is None:
            return Artifact(entry, entry.media_type)
        content = manifest_document(blobs, entry)
        if not index:
            return artifact_by_content(entry, content)
        listed = entries(content, blobs.what)
        return Artifact(entry, entry.media_type) if listed and all(map(artifact_by_entry, listed)) else None
    except NotAnImageError:
        return None


def artifact_by_entry(entry: Descriptor) -> Artifact | None:
    """Return what the entry of an index is, if it says itself that it is no image."""
    said = entry.annotations.get(REFERENCE_TYPE, "")
    kind = said or _artifact_type(entry.artifact_type, entry)
    if not kind and _is_nowhere(entry.platform):
        kind = "attestation"
    return Artifact(entry, kind, entry.annotations.get(REFERENCE_DIGEST, "")) if kind else None


def artifact_by_content(entry: Descriptor, manifest: Mapping[str, Any]) -> Artifact | None:
    """Return what the manifest that an index lists is, if it is no image's; what is malformed counts as an image's."""
    config, layers, subject = (manifest.get(key) for key in ("config", "layers", "subject"))
    configured = _media_type(config)
    types = [_media_type(layer) for layer in layers] if isinstance(layers, list) else []
    kind = _artifact_type(manifest.get("artifactType"), entry)
    little = plain_type(configured) in SAYS_LITTLE
    if not kind and not little and plain_type(configured) not in CONFIGS:
        kind = configured
    if not kind and types and not any(_may_be_layer(each, but_little=little) for each in types):
        kind = types[0]
    about = subject.get("digest") if isinstance(subject, dict) else ""
    return Artifact(entry, kind, about if isinstance(about, str) else "") if kind else None


def _may_be_layer(media_type: str, *, but_little: bool) -> bool:
    """A type that says little may be a layer's, unless the config's says little too: then it is an artifact of files."""
    plain = plain_type(media_type)
    return plain.startswith(_LAYERS) or (plain in SAYS_LITTLE and not (plain and but_little))


def _artifact_type(said: Any, entry: Descriptor) -> str:
    """The type of an artifact. What is for a platform is no artifact for its type alone, for images may have one too."""
    return (
        said
        if isinstance(said, str) and said not in CONFIGS | MANIFESTS and not states_platform(entry)
        else ""
    )


def _media_type(descriptor: Any) -> str:
    said = descriptor.get("mediaType") if isinstance(descriptor, dict) else ""
    return said if isinstance(said, str) else ""


def entries(index: Mapping[str, Any], what: str) -> list[Descriptor]:
    """Return the entries of an index. NotAnImageError where it lists none, or too many."""
    listed = index.get("manifests")
    if not isinstance(listed, list) or len(listed) > _ENTRIES:
        raise NotAnImageError(f"{what} lists no manifests, or more than {_ENTRIES}", hint=DAMAGED)
    return [parse_descriptor(entry, what) for entry in listed]
