"""Layers go to every destination, and from the disk when all have them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from flakeship.commands.publish.send import send
from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob, Prepared
from flakeship.destinations.withheld import Withheld
from flakeship.errors import UnreachableError
from flakeship.image.model import Digest, Packed, PackedLayer
from tests.image.making import files, settled
from tests.images import digests, random_packed

PACKED = random_packed(3, 6, size=100)


class Forgetful(Withheld):
    """Lacks these blobs until it is given them with `certain=False`."""

    def __init__(self, lacks: set[Digest]) -> None:
        super().__init__("forgetful")
        self.lacks = set(lacks)
        self.taken: list[tuple[Digest, bool]] = []

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        self.taken.append((layer.descriptor.digest, certain))
        if not certain:
            self.lacks.discard(layer.descriptor.digest)
        return super().take(layer, certain=certain)

    def prepare(self, packed: Packed) -> Prepared:
        if self.lacks:
            raise BlobsUnknownError(frozenset(self.lacks))
        return super().prepare(packed)


def watched(discarded: list[str]) -> list[PackedLayer]:
    return [
        replace(layer, discard=lambda key=layer.key: discarded.append(key))  # type: ignore[misc]
        for layer in PACKED.layers
    ]


@pytest.mark.parametrize("uploads", [1, 4])
def test_every_layer_to_every_destination(uploads: int) -> None:
    discarded: list[str] = []
    places = [Forgetful(set()), Forgetful(set())]
    layers = send(watched(discarded), places, uploads=uploads).layers
    assert list(layers) == [layer.key for layer in PACKED.layers]
    assert sorted(discarded) == sorted(layers)
    for place in places:
        assert sorted(digest for digest, _ in place.taken) == sorted(digests(PACKED)[:-1])
        published = place.prepare(PACKED).finish()
        assert [blob.digest for blob in published.blobs] == digests(PACKED)


def test_no_more_layers_are_made_than_may_wait() -> None:
    asked, gate = 0, threading.Event()

    class Slow(Withheld):
        def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
            gate.wait(5)
            return super().take(layer, certain=certain)

    def layers() -> Iterator[PackedLayer]:
        nonlocal asked
        for layer in PACKED.layers:
            asked += 1
            yield layer

    thread = threading.Thread(target=send, args=(layers(), [Slow("slow")]), kwargs={"uploads": 1})
    thread.start()
    thread.join(0.2)
    assert asked == 3
    gate.set()
    thread.join(5)
    assert asked == 6


def test_a_destination_that_fails_ends_it_and_leaves_no_thread() -> None:
    class Broken(Withheld):
        def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
            raise UnreachableError("it is down")

    discarded: list[str] = []
    open_files = files()
    with pytest.raises(UnreachableError, match="it is down"):
        send(watched(discarded), [Broken("broken")], uploads=2)
    assert discarded == []
    assert settled(open_files)


def test_a_layer_that_a_destination_was_said_to_have_and_has_not_is_told() -> None:
    lacking = PACKED.layers[2].descriptor.digest

    class Lacking(Withheld):
        def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
            if layer.descriptor.digest == lacking:
                raise BlobsUnknownError(frozenset({lacking}))
            return super().take(layer, certain=certain)

    discarded: list[str] = []
    delivery = send(watched(discarded), [Lacking("lacking"), Withheld("other")], uploads=2)
    assert delivery.missing == {lacking}
    assert len(discarded) == len(delivery.layers) == 6
