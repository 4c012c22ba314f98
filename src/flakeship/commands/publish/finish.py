"""Step 5, finish: manifests by their digest, what is attached to them, then the names; and once more whatever turns out to be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.commands.publish.before import image_before
from flakeship.commands.publish.last_writer import check_last_writer, warn_of_lost
from flakeship.commands.publish.look import Plan
from flakeship.commands.publish.parts import Part, Stamped, platform_for
from flakeship.commands.publish.result import Result
from flakeship.commands.publish.send import SentLayers, send_again
from flakeship.commands.publish.stamping import lost_annotations
from flakeship.commands.set_names import set_names
from flakeship.destinations.protocol import (
    BlobsUnknownError,
    Destination,
    LosesAnnotations,
    Prepared,
    Published,
    RunsImages,
    TakesIndexes,
)
from flakeship.errors import UnreachableError
from flakeship.image.index import seal_index
from flakeship.image.model import EMPTY, Digest, Packed, PackedIndex, PackedLayer
from flakeship.image.pack import seal

if TYPE_CHECKING:  # most images are pushed by their tags, and nothing is attached to them
    from flakeship.commands.publish.attaching.step import Attachments
    from flakeship.sources.blobs import RegistryImage


def finish(stamped: Stamped, sent: SentLayers, parts: Sequence[Part], plan: Plan) -> Result:
    """Seal the images, write them by their digests to every destination, and give them their names.

    A destination that lacks blobs which it said it had is sent them, each once: registries cache what they have longer
    than they have it (https://github.com/moby/moby/issues/36823), and some name one lost blob at a time. RejectedError
    by lint, for a program of another CPU, and where a tag would lose a platform; UnreachableError where a registry loses what it accepts.
    """
    _check(stamped, sent, parts, plan)
    layers, missing = sent.layers, sent.missing | contradicted(sent.layers, stamped)
    resent: frozenset[Digest] = frozenset()
    while True:
        if missing:
            plan.store.forget(missing)
            lost = {key for key, layer in layers.items() if layer.descriptor.digest in missing}
            # docs/decisions.md#a-blob-that-proves-missing-is-sent-again
            layers |= send_again(parts, lost, plan)
            resent |= missing
        try:
            packed = _sealed(stamped, layers, plan, parts[0].obtained.remote)
            prepared = _prepared(packed, plan)
            attached = plan.attaching.attach(packed, parts, plan.places) if plan.attaching else None
            published = set_names(prepared, plan.tags)
            if plan.attaching:
                plan.attaching.confirm(plan.places)
            return _result(packed, stamped, parts, plan, published=published, attached=attached)
        except BlobsUnknownError as error:
            # docs/decisions.md#missing-blobs-may-be-reported-one-by-one
            missing = error.digests - resent
            if not missing:
                raise UnreachableError(
                    f"blobs that were just written are not there: {error}",
                    hint="check the storage of the destination and its log: it lost what it had accepted",
                ) from error


def _check(stamped: Stamped, sent: SentLayers, parts: Sequence[Part], plan: Plan) -> None:
    """Judge the images before anything names them, and tell what can't be judged or is lost."""
    if sent.programs:
        from flakeship.commands.publish.member import check_programs

        check_programs(stamped.images, parts, sent.programs)
    if sent.unsearched:
        plan.packing.emit(
            events.Detail(
                f"{len(sent.unsearched)} of {len(sent.layers)} layers were not looked at for a program of another processor, "
                "because they are at the destination already, or come from another registry"
            )
        )
    if not (plan.relabelled or plan.by_digest):
        _check_tags(stamped, parts, plan)
    if not plan.by_digest:  # else `merge` makes an index of this image and others
        in_index, of_docker = stamped.annotations is not None, plan.packing.family.name == "docker"
        losing = [
            place.name
            for place in plan.places
            if isinstance(place, LosesAnnotations) and place.loses_annotations()
        ]
        for warning in lost_annotations(
            plan.naming, stamped.images, in_index=in_index, of_docker=of_docker, losing=losing
        ):
            plan.packing.emit(warning)


def _result(
    packed: Packed | PackedIndex,
    stamped: Stamped,
    parts: Sequence[Part],
    plan: Plan,
    *,
    published: tuple[Published, ...],
    attached: Attachments | None,
) -> Result:
    existing = tuple(plan.existing.images())
    return Result(
        packed,
        published,
        parts[0].name,
        parts[0].obtained,
        image_before(packed, published, existing),
        plan.packing.sample.estimate() if plan.packing.sample else None,
        index_annotations=parts[0].stamp.index(stamped.images[0], "index") if plan.by_digest else EMPTY,
        others=tuple(part.obtained for part in parts[1:]),
        existing=existing,
        attached=attached,
    )


def contradicted(layers: Mapping[str, PackedLayer], stamped: Stamped) -> frozenset[Digest]:
    """Reused blobs whose published description contradicts the image: one digest with two diff_ids, or two sizes.

    That can be told only now that all layers are known.
    """
    reused = {layer.descriptor.digest for layer in layers.values() if layer.open is None}
    described: dict[Digest, set[tuple[Digest, int]]] = {digest: set() for digest in reused}
    for image in stamped.images:
        for key, claimed in zip(image.layers, image.diff_ids, strict=True):
            layer, blob = layers[key], layers[key].descriptor
            if blob.digest in reused:
                described[blob.digest] |= {(layer.diff_id, blob.size), (claimed or layer.diff_id, blob.size)}
    return frozenset(digest for digest, descriptions in described.items() if len(descriptions) > 1)


def _check_tags(stamped: Stamped, parts: Sequence[Part], plan: Plan) -> None:
    """RejectedError where a tag would lose another platform of one revision. What is lost otherwise is told once."""
    names, existing = plan.naming.references, tuple(plan.existing.images())
    if stamped.annotations is None:
        check_last_writer(stamped.images[0], names, existing)
    if len(parts) == 1:  # of several it was told before they were built
        warn_of_lost([image.platform for image in stamped.images], names, existing, plan.packing.emit)


def _sealed(
    stamped: Stamped, layers: Mapping[str, PackedLayer], plan: Plan, remote: RegistryImage | None
) -> Packed | PackedIndex:
    images = [seal(image, layers, plan.packing.family) for image in stamped.images]
    for image in images:
        plan.lint.check(image)
    if stamped.original and remote:
        from flakeship.commands.publish.as_it_is import kept

        if whole := kept(stamped.original, images, plan, remote):
            return whole
    if stamped.annotations is None:
        return images[0]
    return seal_index(
        images,
        annotations=stamped.annotations,
        descriptor_annotations=stamped.descriptor_annotations,
        family=plan.packing.family,
    )


def _prepared(packed: Packed | PackedIndex, plan: Plan) -> list[Prepared]:
    """All of the image is at every destination when this returns, but for its names."""
    alone = len(plan.places) == 1 and not plan.attaching
    if isinstance(packed, Packed):
        return [place.prepare(packed, alone=alone) for place in plan.places]
    return [
        place.prepare_index(packed, alone=alone)
        if isinstance(place, TakesIndexes)
        else place.prepare(packed.images[0] if len(packed.images) == 1 else _run_by(place, packed))
        for place in plan.places
    ]


def _run_by(place: Destination, index: PackedIndex) -> Packed:
    """The image of the platform that an engine runs: there is one, which was checked before its layers were sent."""
    assert isinstance(place, RunsImages)
    found = platform_for([image.image.platform for image in index.images], place.platform())
    return next(image for image in index.images if image.image.platform == found)
