"""Destinations that nothing is sent to: withheld altogether, or looked at by a dry run."""

from __future__ import annotations

import pytest

from flakeship.destinations.protocol import BlobsUnknownError, Remembers, TakesIndexes
from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.destinations.registry.dry_run import DryRun
from flakeship.destinations.withheld import Withheld
from flakeship.events import Event, LayerProgress
from flakeship.image.document import decode_object
from flakeship.image.existing import existing_image
from flakeship.image.model import Digest
from tests.destinations.pushing import Pusher
from tests.images import digests, random_packed

PACKED = random_packed(4, 2)


class Inner(RegistryDestination):
    """Has the first blob of PACKED, and counts the questions."""

    def __init__(self, pusher: Pusher) -> None:
        super().__init__(pusher.client("ghcr.io", "o/n"), tags=("1",), emit=pusher.events.append)
        self.asked: list[Digest] = []

    def holds(self, digest: Digest) -> bool:
        self.asked.append(digest)
        return digest == digests(PACKED)[0]


def test_a_dry_run_tells_what_would_be_sent(pusher: Pusher) -> None:
    told: list[Event] = []
    inner = Inner(pusher)
    place = DryRun(inner, emit=told.append)
    place.check()
    for layer in PACKED.layers:
        place.take(layer)
    published = place.prepare(PACKED).finish()
    assert [blob.state for blob in published.blobs] == ["reused", "withheld", "withheld"]
    assert [blob.digest for blob in published.blobs] == inner.asked == digests(PACKED)
    assert published.reference == f"ghcr.io/o/n@{PACKED.descriptor.digest}"
    assert published.tags == ("ghcr.io/o/n:1",)
    assert not published.sent
    assert [event.state for event in told if isinstance(event, LayerProgress)] == ["reused", "withheld"]
    assert pusher.events == []


def test_what_is_withheld_needs_no_layer() -> None:
    place = Withheld("ghcr.io/o/n", ("ghcr.io/o/n:1",))
    assert isinstance(place, Remembers)
    assert isinstance(place, TakesIndexes)
    assert place.existing() is None
    assert {place.take(layer).state for layer in PACKED.layers} == {"withheld"}
    published = place.prepare(PACKED).finish()
    assert {blob.state for blob in published.blobs} == {"withheld"}
    assert published.tags == ("ghcr.io/o/n:1",)
    image = existing_image("x", decode_object(PACKED.manifest), decode_object(PACKED.config))
    (layer, *_) = filter(None, image.layers)
    with pytest.raises(BlobsUnknownError):
        place.open_blob(layer)
