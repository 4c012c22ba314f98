"""A copy that changes nothing keeps the bytes of its source, and so its digest; or says before a tag is set why it can't."""

from __future__ import annotations

from collections.abc import Sequence

from flakeship.commands.publish.look import Plan
from flakeship.destinations.protocol import TakesIndexes
from flakeship.errors import RejectedError
from flakeship.image.media_types import DOCKER
from flakeship.image.model import Packed, PackedIndex
from flakeship.image.original import Original
from flakeship.printable import counted
from flakeship.sources.blobs import RegistryImage


# docs/decisions.md#what-is-not-stamped-keeps-its-digest
def kept(
    original: Original, images: Sequence[Packed], plan: Plan, source: RegistryImage
) -> Packed | PackedIndex | None:
    """The images with the bytes of their source; None where an input asks for others, or the destinations hold no index.

    RejectedError where the source is asked for by its digest, as it is, and the copy would have another.
    """
    if plan.packing.family is DOCKER and not original.is_dockers:
        return None
    if not original.index:
        return original.kept_by(images)
    indexes = [place.name for place in plan.places if isinstance(place, TakesIndexes)]
    if not indexes:
        return None
    elsewhere = [name for name in indexes if name != source.repository]
    if not (original.others and elsewhere):
        return original.kept_by(images)
    if plan.stays_as_it_is:
        raise RejectedError(
            f"the image at {elsewhere[0]} would not be {source.entry.digest}: {counted(len(original.others), 'entry', 'entries')} "
            "of that index, such as attestations, can't be copied to another repository",
            hint="copy it with `skopeo copy --all`; or give `platforms`, for an index of its images alone",
        )
    return None
