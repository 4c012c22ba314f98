"""An opened source to its destinations: layers as they are packed, then the image; and once more what turned out to be missing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from flakeship.delivery import deliver
from flakeship.errors import UnreachableError
from flakeship.image.model import Digest, Image, Layer, Packed, PackedLayer
from flakeship.image.pack import Packing, packed_layers, seal
from flakeship.linting import Lint
from flakeship.sinks.delivery import BlobsUnknownError, Destination, Published
from flakeship.sources.opened import Opened
from flakeship.stores.published import PublishedStore

OpenSource = Callable[[], contextlib.AbstractContextManager[Opened]]


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is to be done: `finished` makes of the source's image the one to publish."""

    opened: OpenSource
    finished: Callable[[Image], Image]
    packing: Packing
    store: PublishedStore
    places: Sequence[Destination]
    uploads: int
    lint: Lint


def ship(shipment: Shipment) -> tuple[Packed, tuple[Published, ...]]:
    """Deliver, stamp, seal, finish. A destination that lacks blobs which it said it had is given them, once:
    registries cache what they have longer than they have it (moby/moby#36823).
    """
    with shipment.opened() as source:
        delivered = deliver(
            packed_layers(
                shipment.lint.watched(source.layers()), shipment.packing, forward_only=source.forward_only
            ),
            shipment.places,
            uploads=shipment.uploads,
        )
        image = shipment.finished(source.image())
    layers, missing = delivered.layers, delivered.unknown
    if not missing:
        try:
            return _finish(image, layers, shipment)
        except BlobsUnknownError as error:
            missing = error.digests
    layers |= _again(shipment, layers, missing)
    try:
        return _finish(image, layers, shipment)
    except BlobsUnknownError as error:
        raise UnreachableError(
            f"blobs that were just sent are not there: {error}",
            hint="the registry loses what it accepts; look at its storage and its log",
        ) from error


def _finish(
    image: Image, layers: dict[str, PackedLayer], shipment: Shipment
) -> tuple[Packed, tuple[Published, ...]]:
    packed = seal(image, layers, shipment.packing.family)
    shipment.lint.check(packed)
    return packed, tuple(place.finish(packed) for place in shipment.places)


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
