"""Layers go to every destination, and from the disk when all have them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from flakeship import events
from flakeship.commands.publish.reuse import LayerGoneError
from flakeship.commands.publish.send import pack_and_send, send
from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob, Prepared
from flakeship.destinations.withheld import Withheld
from flakeship.errors import UnreachableError, UsageError
from flakeship.image.model import Digest, Packed, PackedLayer, Platform, VanishedError
from flakeship.report.run_record import ToldOnce
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

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        if self.lacks:
            raise BlobsUnknownError(frozenset(self.lacks))
        return super().prepare(packed, alone=alone)


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
            gate.wait(200)
            return super().take(layer, certain=certain)

    def layers() -> Iterator[PackedLayer]:
        nonlocal asked
        for layer in PACKED.layers:
            asked += 1
            yield layer

    thread = threading.Thread(target=send, args=(layers(), [Slow("slow")]), kwargs={"uploads": 1})
    thread.start()
    patience = time.monotonic() + 100
    while asked < 3 and time.monotonic() < patience:
        time.sleep(0.01)
    thread.join(0.2)
    assert asked == 3
    gate.set()
    thread.join(100)
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


class Interrupted(Withheld):
    """Fails at the second layer, and knows whether it was interrupted."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("interrupted")
        self.error, self.interrupted = error, False

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        if layer is PACKED.layers[1]:
            raise self.error
        return super().take(layer, certain=certain)

    def interrupt(self) -> None:
        self.interrupted = True

    def end(self, grace: object) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "ends"),
    [(UnreachableError("it is down"), True), (KeyboardInterrupt(), True), (LayerGoneError(), False)],
)
def test_what_is_under_way_ends_unless_another_source_is_tried(error: BaseException, ends: bool) -> None:
    place, other = Interrupted(error), Interrupted(error)
    with pytest.raises(type(error)):
        send(PACKED.layers, [place, other], uploads=1)
    assert place.interrupted == other.interrupted == ends


def test_a_layer_that_vanished_here_is_told() -> None:
    vanished = PACKED.layers[4]

    class Vanishing(Withheld):
        def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
            if layer is vanished:
                raise VanishedError(2, "No such file")
            return super().take(layer, certain=certain)

    assert send(PACKED.layers, [Vanishing("it")], uploads=2).missing == {vanished.descriptor.digest}


def test_every_destination_is_asked_as_certain_as_the_caller_is() -> None:
    for certain in (True, False):
        place = Forgetful(set())
        send(PACKED.layers, [place], uploads=1, certain=certain)
        assert {asked for _, asked in place.taken} == {certain}


class OneImage:
    """A destination that takes no index."""

    name = "docker-archive:x"


@pytest.mark.parametrize(
    ("forward_only", "held"), [(True, "several platforms"), (False, "linux/amd64, linux/arm64")]
)
def test_several_platforms_need_a_destination_that_takes_them(forward_only: bool, held: str) -> None:
    platforms = [Platform("linux", "amd64"), Platform("linux", "arm64")]
    source: Any = SimpleNamespace(
        makes_index=True, forward_only=forward_only, platforms=lambda: platforms, layers=lambda: iter(())
    )
    plan: Any = SimpleNamespace(places=(Withheld("registry"), OneImage()))
    with pytest.raises(
        UsageError, match=f"docker-archive:x takes one image, .* for each of {held}"
    ) as raised:
        pack_and_send(source, plan)
    assert "`platforms`" in raised.value.hint


def test_a_layer_is_told_once_for_all_destinations() -> None:
    told: list[events.Event] = []
    places = [Withheld("one"), Withheld("other")]
    send(PACKED.layers, places, uploads=4, emit=told.append)
    assert sorted(event.digest for event in of_layers(told)) == sorted(digests(PACKED)[:-1])
    assert {event.destinations for event in of_layers(told)} == {("one", "other")}


def test_a_layer_that_is_sent_again_was_not_told_before() -> None:
    lacking = PACKED.layers[2].descriptor.digest

    class Lacking(Withheld):
        def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
            if certain and layer.descriptor.digest == lacking:
                raise BlobsUnknownError(frozenset({lacking}))
            return super().take(layer, certain=certain)

    told: list[events.Event] = []
    places = [Lacking("one"), Withheld("other")]
    send(PACKED.layers, places, uploads=2, emit=told.append)
    assert lacking not in {event.digest for event in of_layers(told)}
    send(PACKED.layers[2:3], places, uploads=2, certain=False, emit=told.append)
    assert sorted(event.digest for event in of_layers(told)) == sorted(digests(PACKED)[:-1])


def test_a_layer_that_was_told_is_not_told_again_in_the_run() -> None:
    """A destination may ask for it once more when its manifest is written, and a second image may share it."""
    told: list[events.Event] = []
    once = ToldOnce(told.append)
    for places in ([Withheld("one")], [Withheld("one")], [Withheld("one"), Withheld("other")]):
        send(PACKED.layers, places, uploads=1, emit=once)
    assert len(of_layers(told)) == 2 * len(PACKED.layers)


def of_layers(told: list[events.Event]) -> list[events.LayerDelivered]:
    return [event for event in told if isinstance(event, events.LayerDelivered)]
