"""A destination that is looked at and never written to."""

from __future__ import annotations

from flakeship.destinations.withheld import NothingDestination
from flakeship.events import Event, LayerProgress
from tests.images import digests, random_packed

PACKED = random_packed(4, 2)


def test_it_says_what_would_be_sent() -> None:
    told: list[Event] = []
    there = digests(PACKED)[0]
    place = NothingDestination(
        "ghcr.io/o/n", ("ghcr.io/o/n:1",), exists=lambda digest: digest == there, emit=told.append
    )
    place.check()
    for layer in PACKED.layers:
        place.take(layer)
    published = place.prepare(PACKED).finish()
    assert [blob.state for blob in published.blobs] == ["reused", "withheld", "withheld"]
    assert [blob.digest for blob in published.blobs] == digests(PACKED)
    assert published.reference == f"ghcr.io/o/n@{PACKED.descriptor.digest}"
    assert published.tags == ("ghcr.io/o/n:1",)
    assert not published.sent
    assert [event.state for event in told if isinstance(event, LayerProgress)] == ["reused", "withheld"]


def test_it_asks_nobody() -> None:
    place = NothingDestination("ghcr.io/o/n")
    assert {place.take(layer).state for layer in PACKED.layers} == {"withheld"}
