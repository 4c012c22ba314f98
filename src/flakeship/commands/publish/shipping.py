"""An opened source to its destinations: layers as they are packed, then the image; and once more what turned out to be missing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flakeship import events
from flakeship.commands.publish.deliver import deliver
from flakeship.commands.publish.lint import Lint
from flakeship.destinations.protocol import BlobsUnknownError, Destination, Prepared, Published, TakesIndexes
from flakeship.errors import UnreachableError, UsageError
from flakeship.image.annotations import SOURCE
from flakeship.image.index import seal_index
from flakeship.image.model import EMPTY, Digest, Image, Layer, Packed, PackedIndex, PackedLayer
from flakeship.image.pack import Packing, packed_layers, seal
from flakeship.metadata.annotations import Level
from flakeship.sources.opened import Opened, OpenedIndex
from flakeship.stores.existing import ExistingStore

OpenSource = Callable[[], contextlib.AbstractContextManager[Opened]]


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is to be done: `finished` makes of the source's image the one to publish, `check_fits` is asked about
    layers before the first of them is packed. An image gets its names within `uninterrupted`.
    """

    opened: OpenSource
    finished: Callable[[Image], Image]
    packing: Packing
    store: ExistingStore
    places: Sequence[Destination]
    uploads: int
    lint: Lint
    index_annotations: Callable[[Image, Level], Mapping[str, str]] = lambda *_: EMPTY
    check_fits: Callable[[Iterable[Layer]], None] = lambda _: None
    uninterrupted: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext


@dataclass(frozen=True, slots=True)
class _Contents:
    """What the source holds, stamped; of an index the annotations too, None where there is but one image."""

    images: tuple[Image, ...]
    annotations: Mapping[str, str] | None = None
    descriptor_annotations: Mapping[str, str] = field(default_factory=lambda: EMPTY)


def ship(shipment: Shipment) -> tuple[Packed | PackedIndex, tuple[Published, ...]]:
    """Deliver, stamp, seal, finish. A destination that lacks blobs which it said it had is given them, each once:
    registries cache what they have longer than they have it (moby/moby#36823), and some tell of one at a time.
    """
    with shipment.opened() as source:
        _check_platforms(source, shipment.places)
        layers = shipment.lint.watched(_fitting(source, shipment))
        delivered = deliver(
            packed_layers(layers, shipment.packing, forward_only=source.forward_only),
            shipment.places,
            uploads=shipment.uploads,
        )
        contents = _contents(source, shipment)
    packed, missing = delivered.layers, delivered.unknown | _disproved(delivered.layers, contents)
    sent: frozenset[Digest] = frozenset()
    while True:
        if missing:
            packed |= _again(shipment, packed, missing)
            sent |= missing
        try:
            return _finish(contents, packed, shipment)
        except BlobsUnknownError as error:
            missing = error.digests - sent
            if not missing:
                raise UnreachableError(
                    f"blobs that were just sent are not there: {error}",
                    hint="the registry loses what it accepts; look at its storage and its log",
                ) from error


def _fitting(source: Opened, shipment: Shipment) -> Iterable[Layer]:
    """The layers; those that are to be made are known to fit on the disk where all are known before one is read."""
    if source.forward_only:
        return source.layers()
    layers = tuple(source.layers())
    shipment.check_fits(layer for layer in layers if not shipment.store.expects(layer))
    return layers


def _check_platforms(source: Opened, places: Sequence[Destination]) -> None:
    if not isinstance(source, OpenedIndex):
        return
    for place in places:
        if not isinstance(place, TakesIndexes):
            held = ", ".join(str(image.platform) for image in source.images())
            raise UsageError(
                f"{place.name} takes one image, and the source holds one for each of {held}",
                hint="choose one with `platform`",
            )


def _contents(source: Opened, shipment: Shipment) -> _Contents:
    if not isinstance(source, OpenedIndex):
        return _Contents((shipment.finished(source.image()),))
    given = source.images()
    images = tuple(map(shipment.finished, given))
    made_from = {key: value for key, value in images[0].annotations.items() if key == SOURCE}
    return _Contents(
        tuple(map(_part, images)),
        {**source.annotations, **made_from, **shipment.index_annotations(given[0], "index")},
        shipment.index_annotations(given[0], "index-descriptor"),
    )


def _part(image: Image) -> Image:
    """Not the whole of what the store path gives: a later run must not take one platform for all of them."""
    return replace(
        image, annotations={key: value for key, value in image.annotations.items() if key != SOURCE}
    )


def _finish(
    contents: _Contents, layers: dict[str, PackedLayer], shipment: Shipment
) -> tuple[Packed | PackedIndex, tuple[Published, ...]]:
    family = shipment.packing.family
    images = [seal(image, layers, family) for image in contents.images]
    for image in images:
        shipment.lint.check(image)
    if contents.annotations is None:
        return images[0], _named([place.prepare(images[0]) for place in shipment.places], shipment)
    index = seal_index(
        images,
        annotations=contents.annotations,
        descriptor_annotations=contents.descriptor_annotations,
        family=family,
    )
    takers = (place for place in shipment.places if isinstance(place, TakesIndexes))
    return index, _named([place.prepare_index(index) for place in takers], shipment)


def _named(ready: Sequence[Prepared], shipment: Shipment) -> tuple[Published, ...]:
    """All names of the image at all destinations, or none, whatever signal comes.

    Registries stand first among destinations, and are named last: what others see is set when all else went well.
    """
    taggings = [tagging for each in reversed(ready) for tagging in each.taggings]
    emit = shipment.packing.emit
    with shipment.uninterrupted():
        emit(events.TaggingStarted(tuple(name for tagging in taggings for name in tagging.references)))
        for tagging in taggings:
            tagging.write()
            emit(events.Tagged(tagging.references))
    return tuple(each.published() for each in ready)


def _disproved(layers: Mapping[str, PackedLayer], contents: _Contents) -> frozenset[Digest]:
    """Blobs that can't be what was said of them where they are published: now that all layers are known, the image says
    another thing of them, or they are another layer of it too, or of another size.
    """
    believed = {layer.descriptor.digest for layer in layers.values() if layer.open is None}
    said: dict[Digest, set[tuple[Digest, int]]] = {digest: set() for digest in believed}
    for image in contents.images:
        for key, claimed in zip(image.layers, image.diff_ids, strict=True):
            layer, blob = layers[key], layers[key].descriptor
            if blob.digest in believed:
                said[blob.digest] |= {(layer.diff_id, blob.size), (claimed or layer.diff_id, blob.size)}
    return frozenset(digest for digest, sayings in said.items() if len(sayings) > 1)


def _again(
    shipment: Shipment, layers: dict[str, PackedLayer], missing: frozenset[Digest]
) -> dict[str, PackedLayer]:
    """Read those layers once more, and send them without asking whether they are there."""
    shipment.store.forget(missing)
    keys = {key for key, layer in layers.items() if layer.descriptor.digest in missing}
    with shipment.opened() as source:
        chosen = _only(source.layers(), keys)
        packed = packed_layers(chosen, shipment.packing, forward_only=source.forward_only)
        return deliver(packed, shipment.places, uploads=shipment.uploads, certain=False).layers


def _only(layers: Iterable[Layer], keys: set[str]) -> Iterator[Layer]:
    return (layer for layer in layers if layer.key in keys)
