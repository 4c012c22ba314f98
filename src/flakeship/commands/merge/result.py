"""What is told of a merged image: its page, the outputs of the step, the metadata file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flakeship import events
from flakeship.ci import platforms
from flakeship.ci.handover import Handover, SentBlob, ShippedImage, ShippedTo
from flakeship.commands.merge.images import LegImage
from flakeship.commands.platforms import labelled_platform
from flakeship.commands.publish import outputs as of_publish
from flakeship.commands.publish.handover import to_attest
from flakeship.commands.publish.metadata_document import (
    destination_json,
    signature_json,
    where_it_is,
)
from flakeship.commands.publish.metadata_file import json_of, write_metadata
from flakeship.commands.publish.pages import pages_at
from flakeship.commands.publish.times import times_of
from flakeship.commands.run import Run
from flakeship.destinations.protocol import DeliveredBlob, Published
from flakeship.errors import ResourceError
from flakeship.image.engine_config import as_engines_read
from flakeship.image.model import Digest, PackedIndex
from flakeship.report.markdown import summary_markdown
from flakeship.report.run_record import RunRecord
from flakeship.report.summary import LayerRow, Summary, summary_text
from flakeship.settings.declaration import Settings
from flakeship.settings.outputs import OUTPUTS

if TYPE_CHECKING:
    from flakeship.commands.publish.attaching.step import Attachments
    from flakeship.commands.publish.changes import Changes
    from flakeship.image.existing import ExistingImage


@dataclass(frozen=True, slots=True)
class Merged:
    """The index, the images that it lists in their order, where it is, and what is attached to it. `existing` is what one of its tags named before, and
    `changes` are those since then; None where nothing changed, or nothing is known.
    """

    index: PackedIndex
    images: tuple[LegImage, ...]
    published: tuple[Published, ...]
    attached: Attachments | None = None
    existing: tuple[ExistingImage, ...] = ()
    changes: Changes | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the first image."""
        return self.images[0].labels

    @property
    def blobs(self) -> tuple[DeliveredBlob, ...]:
        """Layers and config of every image: all were there already."""
        found: list[tuple[Digest, int]] = []
        for each in self.images:
            found += [(layer.digest, layer.size) for layer in each.image.layers if layer]
            found.append((each.image.config_descriptor.digest, each.image.config_descriptor.size))
        return tuple(DeliveredBlob(digest, size, "reused") for digest, size in found)


def tell(merged: Merged, settings: Settings, record: RunRecord, run: Run) -> str:
    """Write the page, the metadata file and the outputs; return the references. ResourceError where they can't be written."""
    blobs = merged.blobs
    merged = replace(
        merged,
        published=tuple(replace(item, blobs=blobs if item.sent else ()) for item in merged.published),
    )
    environ = run.runtime.environ
    summary = _summary(merged, run, settings)
    try:
        platforms.summarise(summary_markdown(summary, record), environ)
    except ResourceError as error:  # the outputs count for more
        run.emit(events.Warned(error.message, error.hint))
    run.emit(events.Summarised(summary_text(summary)))
    document = _document(merged, record, run)
    if settings.metadata_file:
        changes = {"flakeship.difference": merged.changes.to_json()} if merged.changes else {}
        write_metadata(run.runtime.cwd / settings.metadata_file, document | changes)
        _draw(merged, run.runtime.cwd / settings.metadata_file, run)
    platforms.hand_over(_handover(merged, document), environ)
    if why := of_publish.not_pushed(merged.published):
        run.emit(events.NotPushed(why, run.event.from_outside))
    return "\n".join(of_publish.references(merged.published))


def _draw(merged: Merged, metadata_file: Path, run: Run) -> None:
    """Write the pictures of all platforms. What was built by other jobs has the sizes of its layers alone."""
    from flakeship.commands.publish.drawing import (
        StoredBlob,
        StoredImage,
        contents_of_images,
        name_of_image,
        write_pictures,
    )

    images = {
        str(labelled_platform(each.platform)): StoredImage(
            _history(each.image.config),
            [StoredBlob(layer.digest, layer.size) if layer else None for layer in each.image.layers],
        )
        for each in merged.images
    }
    name = name_of_image(merged.published) or merged.index.descriptor.digest
    write_pictures(metadata_file, contents_of_images(name, images, run), run.emit)


def _history(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = as_engines_read(config).get("history")
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def hand_over_nothing(run: Run) -> None:
    """Hand over that no image is anywhere."""
    nothing = dict.fromkeys(OUTPUTS, "") | {"digests": "{}", "pushed": "false", "metadata": "{}"}
    platforms.hand_over(Handover((), pushed=False, outputs=nothing), run.runtime.environ)


def _handover(merged: Merged, document: dict[str, Any]) -> Handover:
    pushed = of_publish.is_pushed(merged.published)
    places = tuple(
        ShippedTo(to.reference, to.sent, tuple(SentBlob(blob.size, sent=False) for blob in to.blobs))
        for to in merged.published
    )
    digest = merged.index.descriptor.digest
    numbers = merged.changes.numbers() if merged.changes else ()
    image = ShippedImage(_name(merged), digest, digest, len(merged.images), places, pushed, numbers)
    texts = of_publish.outputs(merged.index, merged.published) | {
        "labels": of_publish.labels_text(merged.labels),
        "metadata": json_of(document),
    }
    attested = tuple(to_attest(merged.attached, merged.published))
    return Handover((image,), pushed=pushed, outputs=texts, to_attest=attested)


# docs/decisions.md#each-of-several-images-has-a-variable
def _name(merged: Merged) -> str:
    """The attribute's name where the jobs built several; else the last word of the repository: merges may stand side by side."""
    names = {each.leg.image for each in merged.images}
    last = merged.published[0].destination.rpartition("/")[2] if merged.published else ""
    return (next(iter(names)) if len(names) == 1 else "") or last


def _document(merged: Merged, record: RunRecord, run: Run) -> dict[str, Any]:
    """The metadata file, with the keys that `publish` writes as far as they are known; without what changed, which may be larger than a variable can be."""
    published = merged.published
    why = of_publish.not_pushed(published)
    flakes = [each.leg.flake for each in merged.images]
    alike = len({json.dumps(flake, sort_keys=True) for flake in flakes}) == 1
    return {
        **(where_it_is(merged.index, published) if of_publish.references(published) else {}),
        **({"flakeship.flake": flakes[0]} if flakes[0] and alike else {}),
        "flakeship.times": times_of(record.stages, run.runtime).to_json(),
        "flakeship.diff-ids": {
            str(labelled_platform(each.platform)): [layer.diff_id for layer in each.image.layers if layer]
            for each in merged.images
        },
        "flakeship.pushed": of_publish.is_pushed(published),
        **({"flakeship.not-pushed": why} if why else {}),
        "flakeship.destinations": [destination_json(item) for item in published],
        "flakeship.labels": merged.labels,
        **signature_json(merged.attached),
    }


def _summary(merged: Merged, run: Run, settings: Settings) -> Summary:
    published = merged.published
    layers = {layer.digest: layer for each in merged.images for layer in each.image.layers if layer}
    holders = {
        digest: ", ".join(str(each.platform) for each in merged.images if layer in each.image.layers)
        for digest, layer in layers.items()
    }
    digest = merged.index.descriptor.digest
    return Summary(
        references=of_publish.references(published),
        tags=[tag for item in published if item.sent for tag in item.tags],
        unsent=[item.tags or (item.reference,) for item in published if not item.sent],
        not_pushed=of_publish.not_pushed(published),
        expected=run.event.from_outside,
        digest=digest,
        imageid=digest,
        platform=", ".join(str(each.platform) for each in merged.images),
        labels=merged.labels,
        layers=[
            LayerRow(layer.digest, layer.size, "reused", holders[layer.digest]) for layer in layers.values()
        ],
        pulled=next((item.reference for item in published if item.sent), ""),
        changes=merged.changes.lines(all_in="the metadata file" if settings.metadata_file else "")
        if merged.changes
        else (),
        verify=merged.attached.verify if merged.attached else "",
        pages=pages_at(published, merged.labels, platforms.current_platform(run.runtime.environ), run.event),
    )
