"""Step 4, stamp: the config gets its changes, labels and date, the manifest its annotations; no layer is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

from flakeship import events
from flakeship.commands.naming import Naming
from flakeship.image import stamp
from flakeship.image.annotations import NAMES, SEAL, SEAL_LATER
from flakeship.image.model import Image, Platform
from flakeship.metadata.annotations import Level
from flakeship.metadata.context import NixFacts
from flakeship.metadata.engine import Metadata
from flakeship.settings.declaration import Settings

Change: TypeAlias = Callable[[Image], Image]
"""A change of the image's config: the inputs about how the container starts."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """How the images of one source are stamped.

    `facts` waits for what Nix knows of them. `moment` is the date to write, None to leave the image's own. `origin` are
    annotations that say what the images were made from.
    """

    naming: Naming
    facts: Callable[[], NixFacts]
    moment: datetime | None
    change: Change
    origin: Mapping[str, str]

    def image(self, source: Image) -> Image:
        """The image with its changes, labels, date and annotations, and the record of what it was before."""
        image = stamp.with_created(self.change(source), self.moment)
        metadata = self._metadata(image)
        labelled = stamp.with_labels(image, metadata.labels.over(stamp.labels_of(image)))
        platform = image.platform
        return stamp.with_annotations(
            stamp.with_record(labelled, source),
            {**self._own(source), **_annotations(metadata, "manifest", platform)},
            descriptor=_annotations(metadata, "manifest-descriptor", platform),
        )

    def changes(self, source: Image, stamped: Image) -> bool:
        """Whether this stamp changed the source, but for a seal; or would change an index that lists it."""
        bare = replace(
            stamped, annotations=source.annotations, descriptor_annotations=source.descriptor_annotations
        )
        return bare != source or bool(self._metadata(source).annotations) or any(self.origin.values())

    def index(self, first: Image, level: Level) -> dict[str, str]:
        """Annotations of an index, or of its descriptor; values that differ between platforms are those of the `first`."""
        return _annotations(self._metadata(stamp.with_created(first, self.moment)), level, None)

    def _metadata(self, image: Image) -> Metadata:
        """Labels and annotations for an image that has its date."""
        own = stamp.labels_of(image)
        return self.naming.marks(own=own, created=str(image.config.get("created", "")), nix=self.facts())

    def _own(self, source: Image) -> dict[str, str]:
        own = {**self.origin, SEAL: SEAL_LATER, NAMES: " ".join(source.names)}
        return {key: value for key, value in own.items() if value}


def change_of(settings: Settings, emit: events.Emit) -> Change:
    """Read and check the inputs of how the container starts; most runs give none. UsageError for what is malformed."""
    if not settings.given("starts-container"):
        return lambda image: image
    from flakeship.commands.publish.overrides import overridden_by, overrides_of

    return partial(overridden_by, overrides=overrides_of(settings, emit), emit=emit)


def _annotations(metadata: Metadata, level: Level, platform: Platform | None) -> dict[str, str]:
    """The annotations of one level; those that name a platform are for that platform alone, however it is spelled."""
    notes = (note for note in metadata.annotations if level in note.levels)
    return {note.key: note.value for note in notes if not note.platform or _is_for(note.platform, platform)}


def lost_annotations(
    naming: Naming,
    images: Sequence[Image],
    *,
    in_index: bool,
    of_docker: bool = False,
    losing: Sequence[str] = (),
) -> Iterator[events.Warned]:
    """Warn of annotations that have no place: those of an index that is not made, or of a platform that is not there.

    `losing` are the destinations that keep no annotations.
    """
    wanted = naming.evaluation.annotations_at_levels
    if of_docker and (wanted or naming.evaluation.annotation_pairs):
        yield events.Warned(
            "annotations are left out, for Docker's media types have none",
            "leave `media-types: docker` out, or use `labels`",
        )
        return
    if losing and (wanted or naming.evaluation.annotation_pairs):
        yield events.Warned(
            f"annotations are lost at {', '.join(losing)}, for this engine stores no manifest",
            "use `labels`, which are in the config; or let the engine use containerd's image store",
        )
    kept = {each.key for each in wanted if "manifest" in each.levels and each.platform is None}
    if not in_index and (
        of_index := dict.fromkeys(
            each.key
            for each in wanted
            if each.key not in kept and all(level.startswith("index") for level in each.levels)
        )
    ):
        yield events.Warned(
            f"annotations: {', '.join(of_index)} is for an index, and an image for one platform has none",
            "write `manifest,index:KEY=VALUE`, which both take",
        )
    for each in wanted:
        if each.platform and not any(_is_for(each.platform, image.platform) for image in images):
            yield events.Warned(
                f"annotations: {each.key} is for {each.platform}, which is no platform of the image",
                "write a platform that is published, or none for all",
            )


def _is_for(named: str, platform: Platform | None) -> bool:
    os, _, rest = named.partition("/")
    architecture, _, variant = rest.partition("/")
    return platform is not None and Platform.of(os, architecture, variant).means(platform)
