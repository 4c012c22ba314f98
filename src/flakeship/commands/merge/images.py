"""The images of the legs as their registry has them: still there, no index, for the platform that is stated."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from flakeship import events
from flakeship.commands.connections import Connections
from flakeship.commands.merge.legs import Leg
from flakeship.commands.platforms import labelled_platform, place_in_order
from flakeship.errors import Error, NotAnImageError, RejectedError
from flakeship.image.existing import ExistingImage, media_type_of
from flakeship.image.media_types import DOCKER, OCI, Family
from flakeship.image.model import Descriptor, Platform
from flakeship.image.place import ManifestDocument, read_document, read_image
from flakeship.image.workers import workers
from flakeship.metadata.labels import PREFIX
from flakeship.registry.reading import RepositoryReader
from flakeship.registry.reference import Reference

_AT_ONCE: Final = 4
_GONE: Final = (
    "Was it removed? Registries and cleaners collect manifests without a tag: merge soon after the push, and let them "
    "keep what is younger than a day"
)


@dataclass(frozen=True, slots=True)
class LegImage:
    """A leg whose digest and platform are known, its descriptor in the index, and its image."""

    leg: Leg
    descriptor: Descriptor
    image: ExistingImage

    @property
    def platform(self) -> Platform:
        """The platform that its config states."""
        return self.image.platform

    @property
    def labels(self) -> dict[str, str]:
        """The labels in its config."""
        config = self.image.config.get("config")
        labels = config.get("Labels") if isinstance(config, dict) else None
        return {key: str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}


def images_of(legs: Sequence[Leg], connections: Connections) -> list[LegImage]:
    """Read manifest and config of every leg, and ask every other repository for the manifest. No layer is touched.

    RejectedError for a leg that is gone, an index, for another platform than stated, or not what its file says.
    """
    with workers("look", min(len(legs), _AT_ONCE)) as pool:
        return [each.result() for each in [pool.submit(_image_of, leg, connections) for leg in legs]]


def check_labels(images: Sequence[LegImage], emit: events.Emit) -> None:
    """RejectedError where bare references have labels of another commit, or of another image, than the other legs.

    Labels are all that is known of a reference; nobody knows of which run it is.
    """
    if not any(each.leg.bare for each in images):
        return
    for key, what in (("revision", "commit"), ("title", "image"), ("source", "project")):
        said = [(each, text) for each in images if (text := each.labels.get(PREFIX + key))]
        for each, text in said[1:]:
            if text != said[0][1]:
                raise RejectedError(
                    f"{each.leg.name} is of another {what} than {said[0][0].leg.name}: its label {PREFIX}{key} is "
                    f"{text!r}, and not {said[0][1]!r}",
                    hint="merge images that were built together",
                )
        if len(said) < len(images):
            silent = ", ".join(each.leg.name for each in images if not each.labels.get(PREFIX + key))
            emit(
                events.Notice(
                    f"the {what} is not compared by labels, for there is no {PREFIX}{key} in {silent}"
                )
            )


def family_of(images: Sequence[LegImage]) -> Family:
    """Docker's media types where every image has them."""
    return DOCKER if all(each.descriptor.media_type == DOCKER.manifest for each in images) else OCI


def in_order(images: Sequence[LegImage]) -> list[LegImage]:
    """The order of an index, so that the same legs give the same one."""
    return sorted(images, key=lambda each: place_in_order(each.platform))


def _image_of(leg: Leg, connections: Connections) -> LegImage:
    (first, *others) = leg.references.values()
    pushed_to = {each.registry for each in leg.references.values()}
    try:
        found = _first(leg, connections.reader(first, pushed_to=pushed_to), first)
        for other in others:
            reader = connections.reader(other, pushed_to=pushed_to)
            if reader.get_manifest(found.descriptor.digest) is None:
                raise _gone(leg, other.name)
    except (RejectedError, NotAnImageError):
        raise
    except Error as error:
        error.message = f"{leg.name}: {error.message}"
        raise
    return found


def _first(leg: Leg, reader: RepositoryReader, reference: Reference) -> LegImage:
    raw = reader.get_manifest(reference.digest or reference.tag or "latest")
    if raw is None:
        raise _gone(leg, reference.name)
    digest = reference.digest or raw.digest
    try:
        content = read_document(io.BytesIO(raw.data), digest)
        manifest = ManifestDocument(digest, media_type_of(content) or raw.media_type, content)
        if manifest.is_index:
            raise RejectedError(
                f"{leg.name} is an index, and a leg is the image of one platform",
                hint="give the digest of one of the manifests in it: `flakeship inspect` lists them; buildx makes an index of "
                "one image too, unless it is told `--provenance=false`",
            )
        image = read_image(reader, manifest)
    except ValueError as error:
        raise NotAnImageError(
            f"{leg.name} is no image: {error}",
            hint="push it again, if it is damaged and no other kind of artifact",
        ) from error
    if leg.config and image.config_descriptor.digest != leg.config:
        raise RejectedError(
            f"{leg.name} states the config {leg.config}, and its manifest {digest} has {image.config_descriptor.digest}",
            hint="give the file that the job wrote; this one belongs to another image",
        )
    platform = _platform(leg, image)
    descriptor = Descriptor(
        manifest.media_type,
        digest,
        len(raw.data),
        annotations=leg.of_descriptor,
        platform=replace(labelled_platform(platform), os_version=platform.os_version),
    )
    references = {name: replace(each, digest=digest) for name, each in leg.references.items()}
    known = replace(leg, platform=platform, references=references)
    return LegImage(known, descriptor, image)


def _platform(leg: Leg, image: ExistingImage) -> Platform:
    """The platform of a leg by its config. RejectedError where the leg states another."""
    platform = image.platform
    if not platform.os or not platform.architecture:
        raise RejectedError(
            f"{leg.name} has a config that states no platform",
            hint="state it with `override-platform` in the job that pushes it",
        )
    if leg.platform and not platform.means(leg.platform):
        raise RejectedError(
            f"{leg.name} is said to be for {leg.platform}, and its config is for {platform}",
            hint="look whether two legs were mixed up; if not, correct the image's own config, or set `override-platform` in the job that pushes it",
        )
    return platform


def _gone(leg: Leg, repository: str) -> RejectedError:
    return RejectedError(f"{leg.name} is not in {repository} any more", hint=_GONE)
