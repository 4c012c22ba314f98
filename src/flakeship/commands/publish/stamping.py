"""From inputs to calls of image.stamp: which labels, which date, which annotations of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, TypeAlias

from flakeship import events
from flakeship.commands.naming import Naming
from flakeship.commands.nix_facts import Facts
from flakeship.commands.publish.obtain import Obtained
from flakeship.image import stamp
from flakeship.image.annotations import DERIVATION, NAMES, RECIPE_OF, SEAL, SOURCE
from flakeship.image.model import Image
from flakeship.metadata.annotations import Level
from flakeship.metadata.engine import Metadata
from flakeship.settings.declaration import Settings

_STORE: Final = "/nix/store/"

Change: TypeAlias = Callable[[Image], Image]


@dataclass(frozen=True, slots=True)
class Marks:
    """What images are marked with, worked out for each over the labels that it has. `moment` is what `created` means."""

    naming: Naming
    facts: Facts
    moment: datetime | None

    def of(self, image: Image) -> Metadata:
        """For an image that is dated already."""
        own = stamp.labels_of(image)
        return self.naming.marks(own=own, created=str(image.config.get("created", "")), nix=self.facts())

    def of_index(self, first: Image, level: Level) -> dict[str, str]:
        """Annotations of the index under which `first` and others go, or of its descriptor: what differs among them is
        said as of the first.
        """
        return _annotations(self.of(stamp.with_created(first, self.moment)), level, "")


def changes_of(settings: Settings, emit: events.Emit) -> Change:
    """What the inputs say of how the container starts, read and checked; mostly they say nothing. UsageError for what
    is malformed.
    """
    if not settings.given("starts-container"):
        return lambda image: image
    from flakeship.commands.publish.overrides import overrides_of
    from flakeship.image.override import overridden

    return partial(overridden, overrides=overrides_of(settings, emit))


def stamped(source: Image, *, changed: Change, marks: Marks, obtained: Obtained, recipe: str) -> Image:
    """The image with its changes, labels, date and annotations, and the record of what it was before."""
    image = stamp.with_created(changed(source), marks.moment)
    metadata = marks.of(image)
    marked = stamp.with_labels(image, metadata.labels.over(stamp.labels_of(image)))
    marked = stamp.with_record(marked, source)
    return stamp.with_annotations(
        marked,
        {**_origin(obtained, recipe, source), **_annotations(metadata, "manifest", str(image.platform))},
        descriptor=_annotations(metadata, "manifest-descriptor", str(image.platform)),
    )


def _annotations(metadata: Metadata, level: Level, platform: str) -> dict[str, str]:
    """Those of one level; where they name a platform, for that alone."""
    notes = (note for note in metadata.annotations if level in note.levels)
    return {note.key: note.value for note in notes if note.platform in {None, platform}}


def _origin(obtained: Obtained, recipe: str, source: Image) -> dict[str, str]:
    known = {
        SOURCE: str(obtained.path) if str(obtained.path).startswith(_STORE) else "",
        DERIVATION: obtained.output.drv_path if obtained.output else "",
        RECIPE_OF: recipe,
        SEAL: "to be",
        NAMES: " ".join(source.names),
    }
    return {key: value for key, value in known.items() if value}
