"""What the tags held before: a merge may be what takes a platform from its users."""

from __future__ import annotations

from collections.abc import Sequence

from flakeship import events
from flakeship.commands.connections import Connections
from flakeship.commands.publish.last_writer import lost_by, warning_of
from flakeship.destinations.registry.existing import existing_images
from flakeship.errors import Error
from flakeship.image.existing import ExistingImage
from flakeship.image.model import Digest, Platform
from flakeship.image.place import read_image, read_manifest
from flakeship.registry.reading import RepositoryReader
from flakeship.registry.reference import Reference
from flakeship.sources.blobs import parse_descriptor


def warn_of_lost(
    references: Sequence[str], platforms: Sequence[Platform], connections: Connections, emit: events.Emit
) -> None:
    """Ask each tag what it holds, and warn where that is a platform which the merged image lacks.

    What can't be read is no reason not to merge.
    """
    held: dict[str, Sequence[Platform]] = {}
    for reference in map(Reference.parse, references):
        tag = reference.tag or "latest"
        try:
            reader = connections.reader(reference, pushed_to={reference.registry})
            held[f"{reference.name}:{tag}"] = _platforms_at(reader, tag)
        except (Error, ValueError, KeyError) as error:
            emit(events.Detail(f"what {reference} held before is not known: {error}"))
    for name, lost in lost_by(platforms, references, held).items():
        emit(warning_of(name, lost, platforms))


def images_before_merge(
    references: Sequence[str], digest: Digest, connections: Connections, emit: events.Emit
) -> tuple[ExistingImage, ...]:
    """Return the images that the first of these names which leads anywhere does lead to, to tell what changed; none where that is the image of this
    `digest`. What can't be read is no reason not to merge.
    """
    for reference in map(Reference.parse, references):
        tag = reference.tag or "latest"
        client = connections.client(reference, actions="pull")
        try:
            found = client.retrying(
                lambda client=client, tag=tag: client.head_manifest(tag),  # type: ignore[misc]
                what=f"look at {client.name}",
            )
        except Error as error:
            emit(events.Detail(f"what {reference} held before is not known: {error}"))
            continue
        if found is not None:
            return existing_images(client, [tag], emit) if found != digest else ()
    return ()


def _platforms_at(reader: RepositoryReader, tag: str) -> list[Platform]:
    manifest = read_manifest(reader, tag)
    if manifest is None:
        return []
    if not manifest.is_index:
        return [read_image(reader, manifest).platform]
    entries = [parse_descriptor(entry, tag) for entry in manifest.content["manifests"]]
    return [entry.platform for entry in entries if entry.platform]
