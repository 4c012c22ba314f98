"""Packed layers, as they are finished, to every destination; each is dropped from the disk once all of them have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Final

from flakeship.destinations.protocol import BlobsUnknownError, Destination
from flakeship.image.model import Digest, PackedLayer, VanishedError
from flakeship.image.workers import workers

_AHEAD: Final = 2
"""Layers that may wait on disk beyond those being sent, so that an upload that ends finds the next one ready."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The layers by key, to seal the image with; `unknown` are blobs that a destination was said to have, and has not,
    or that were found on this machine and are gone.
    """

    layers: dict[str, PackedLayer]
    unknown: frozenset[Digest]


def deliver(
    layers: Iterable[PackedLayer], destinations: Sequence[Destination], *, uploads: int, certain: bool = True
) -> Delivery:
    """Hand over every layer, at most `uploads` at a time; `certain` as in Destination.take."""
    delivered: dict[str, PackedLayer] = {}
    unknown: set[Digest] = set()
    with workers("send", uploads) as pool:
        pending: set[Future[frozenset[Digest]]] = set()
        for layer in layers:
            delivered[layer.key] = layer
            pending.add(pool.submit(_hand_over, layer, destinations, certain=certain))
            if len(pending) >= uploads + _AHEAD:
                pending = _settle(pending, unknown)
        while pending:
            pending = _settle(pending, unknown)
    return Delivery(delivered, frozenset(unknown))


def _hand_over(
    layer: PackedLayer, destinations: Sequence[Destination], *, certain: bool
) -> frozenset[Digest]:
    """The blobs that could not be handed over: a destination was to have them already, or somebody removed them."""
    unknown: frozenset[Digest] = frozenset()
    for destination in destinations:
        try:
            destination.take(layer, certain=certain)
        except BlobsUnknownError as error:
            unknown |= error.digests
        except VanishedError:
            unknown |= {layer.descriptor.digest}
    layer.discard()
    return unknown


def _settle(pending: set[Future[frozenset[Digest]]], unknown: set[Digest]) -> set[Future[frozenset[Digest]]]:
    done, left = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        unknown |= future.result()
    return left
