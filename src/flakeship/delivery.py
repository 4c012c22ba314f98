"""Packed layers, as they are finished, to every destination; each is dropped from the disk once all of them have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Final

from flakeship.image.model import Packed, PackedLayer
from flakeship.image.workers import workers
from flakeship.sinks.delivery import BlobsUnknownError, Destination, Published

_AHEAD: Final = 2
"""Layers that may wait on disk beyond those being sent, so that an upload that ends finds the next one ready."""


def deliver(
    layers: Iterable[PackedLayer], destinations: Sequence[Destination], *, uploads: int
) -> dict[str, PackedLayer]:
    """Hand over every layer, at most `uploads` at a time. The layers by key, to seal the image with."""
    delivered: dict[str, PackedLayer] = {}
    with workers("send", uploads) as pool:
        pending: set[Future[None]] = set()
        for layer in layers:
            delivered[layer.key] = layer
            pending.add(pool.submit(_hand_over, layer, destinations))
            if len(pending) >= uploads + _AHEAD:
                pending = _settle(pending)
        while pending:
            pending = _settle(pending)
    return delivered


def finish(
    packed: Packed, destination: Destination, read_again: Callable[[], Iterable[PackedLayer]]
) -> Published:
    """Write manifest and tags. A destination that turns out to lack blobs it said it had is given them once more:
    registries cache what they have longer than they have it (moby/moby#36823).
    """
    try:
        return destination.finish(packed)
    except BlobsUnknownError as error:
        missing = error.digests
    for layer in read_again():
        if layer.descriptor.digest in missing:
            destination.take(layer, certain=False)
        layer.discard()
    return destination.finish(packed)


def _hand_over(layer: PackedLayer, destinations: Sequence[Destination]) -> None:
    for destination in destinations:
        destination.take(layer)
    layer.discard()


def _settle(pending: set[Future[None]]) -> set[Future[None]]:
    done, left = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return left
