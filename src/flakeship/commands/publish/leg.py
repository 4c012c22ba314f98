"""One platform of an image, pushed by its digest: the record of it, which `merge` reads, and the file that holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flakeship.commands.platforms import labelled_platform
from flakeship.destinations.protocol import Published
from flakeship.image.model import Packed, PackedIndex

if TYPE_CHECKING:
    from flakeship.metadata.context import Context
    from flakeship.nix.flake import FlakeMetadata

LEG: Final = "flakeship.leg"
"""The key of the record in the metadata file."""

VERSION: Final = 1
"""Of the record. A reader refuses a higher one: what it does not know may be what tells a wrong leg."""

FILES: Final = "flakeship-*.json"
"""The names of all such files, as a pattern."""


# docs/decisions.md#the-leg-is-the-metadata-file
@dataclass(frozen=True, slots=True)
class LegRecord:
    """What the legs of one image must agree on, and what the image gets when they are merged.

    `run` and `revision` are empty where they are not known. `tags` are full references, `annotations` those of the index.
    `image` is the name of the attribute in a run for several, and empty in a run for one. `provenance` is the predicate that
    this job states of the image, None where it was not asked for.
    """

    platform: str
    run: str
    revision: str
    tags: tuple[str, ...]
    annotations: Mapping[str, str]
    image: str = ""
    provenance: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that the metadata file has at `LEG`."""
        return {
            "version": VERSION,
            "platform": self.platform,
            "run": self.run,
            "revision": self.revision,
            "tags": list(self.tags),
            "annotations": dict(self.annotations),
            **({"image": self.image} if self.image else {}),
            **({"provenance": dict(self.provenance)} if self.provenance else {}),
        }


def leg_of(
    packed: Packed | PackedIndex,
    published: Sequence[Published],
    annotations: Mapping[str, str],
    *,
    flake: FlakeMetadata | None,
    event: Context,
    image: str = "",
    provenance: Mapping[str, Any] | None = None,
) -> LegRecord:
    """Return the record of an image that was pushed, or withheld. Of a flake with changes no revision is known."""
    return LegRecord(
        ",".join(str(labelled_platform(image.image.platform)) for image in packed.images),
        run_of(event),
        (flake.revision or "") if flake else event.sha,
        tuple(tag for item in published for tag in item.untagged),
        annotations,
        image,
        provenance,
    )


def run_of(event: Context) -> str:
    """What all jobs of one run of CI have in common, and those of no other; empty on a laptop."""
    return f"{event.platform} {event.repository.full_name} {event.run_id}" if event.run_id else ""
