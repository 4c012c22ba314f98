"""Combine the results of several attributes for later steps; with one attribute its result is passed on unchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flakeship.ci.handover import Handover, SentBlob, ShippedImage, ShippedTo
from flakeship.commands.publish import outputs as one_image
from flakeship.commands.publish.metadata_document import metadata as of_one_image
from flakeship.commands.publish.metadata_file import json_of
from flakeship.commands.publish.result import Result
from flakeship.destinations.protocol import Published

if TYPE_CHECKING:
    from flakeship.commands.publish.attaching.step import Attachments


def metadata(made: Mapping[str, Result], *, whole: bool = True) -> dict[str, Any]:
    """The metadata file: of one attribute its document; of several an object by the attributes' names, as bake writes it."""
    documents = {name: of_one_image(each, whole=whole) for name, each in made.items()}
    return documents if len(documents) > 1 else next(iter(documents.values()))


# docs/decisions.md#each-of-several-images-has-a-variable
def handover(made: Mapping[str, Result], *, is_named: bool = False) -> Handover:
    """Return what the platform gives to later steps. `is_named`: the user gave a name to the only image, too."""
    texts = outputs(made)
    alone = len(made) == 1 and not is_named
    images = tuple(_shipped("" if alone else name, each) for name, each in made.items())
    attested = tuple(each for one in made.values() for each in to_attest(one.attached, one.published))
    return Handover(images, pushed=texts["pushed"] == "true", outputs=texts, to_attest=attested)


def to_attest(attached: Attachments | None, published: Sequence[Published]) -> list[str]:
    """The references of an image that this run has stated provenance of, where it was sent to a registry and has a name."""
    if attached is None or "provenance" in attached.left_out:
        return []
    if all(each.kind != "provenance" for each in attached.artifacts):
        return []
    return [to.reference for to in published if to.sent and to.tags]


def _shipped(name: str, made: Result) -> ShippedImage:
    return ShippedImage(
        name,
        made.packed.descriptor.digest,
        one_image.imageid(made.packed),
        len(made.packed.entries),
        tuple(
            ShippedTo(
                to.reference,
                to.sent,
                tuple(SentBlob(blob.size, blob.state in {"uploaded", "written"}) for blob in to.blobs),
            )
            for to in made.published
        ),
        one_image.is_pushed(made.published),
        made.changes.numbers() if made.changes else (),
    )


def outputs(made: Mapping[str, Result]) -> dict[str, str]:
    """Return the outputs of several attributes, one a line in the order of `flake`.

    A digest that is missing, because its image is nowhere, leaves its line empty: the others keep their numbers. `pushed`
    is true if registries have got all that was to be pushed to them.
    """
    each = [one_image.outputs(one.packed, one.published) for one in made.values()]
    document = {"metadata": json_of(metadata(made, whole=False))}
    if len(each) == 1:
        return each[0] | document
    lines = {key: "\n".join(filter(None, (one[key] for one in each))) for key in each[0]}
    digests = {key: "\n".join(one[key] for one in each) for key in ("digest", "imageid") if lines[key]}
    everywhere = [item for one in made.values() for item in one.published]
    return lines | digests | {"pushed": str(one_image.is_pushed(everywhere)).lower()} | document
