"""What a push asks at once, in which order names are set, and what arrives in the fewest requests: with a registry in memory."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from flakeship.commands.set_names import set_names
from flakeship.commands.tag_record import TagRecord
from flakeship.destinations.protocol import BlobsUnknownError, Prepared
from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.destinations.registry.reusable import Reuse
from flakeship.errors import Error, NotAllowedError, RejectedError
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.image.index import seal_index
from flakeship.image.model import Packed
from tests.destinations.faults import MANIFESTS, UPLOADS
from tests.destinations.pushing import ManualClock, Pusher
from tests.images import packed_of, random_packed
from tests.testbed.registry_memory import MemoryRegistry, registry
from tests.testbed.registry_proxy import FaultProxy

__all__ = ["registry"]


@dataclass
class FarClock(ManualClock):
    """Each look at the clock finds it later: every answer takes long."""

    def as_clock(self, chance: Callable[[], float] | None = None) -> Clock:
        ticks = itertools.count(self.now, 0.02)
        return Clock(now=lambda: next(ticks), sleep=self.sleep, random=chance or (lambda: 0.0))


@pytest.fixture
def far(pusher: Pusher) -> Pusher:
    pusher.clock = FarClock()
    return pusher


def names(requests: Sequence[Any]) -> list[str]:
    return [entry.path.rpartition("/")[2] for entry in requests]


def taken(destination: RegistryDestination, packed: Packed) -> RegistryDestination:
    for layer in packed.layers:
        destination.take(layer)
    return destination


def test_a_manifest_that_is_alone_arrives_by_its_first_name(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    packed, repository = random_packed(201), registry.new_repository()
    destination = taken(pusher.destination(proxy.host, repository, tags=("a", "b")), packed)
    prepared = destination.prepare(packed, alone=True)
    assert not proxy.of("PUT", MANIFESTS), "no name is set before all is ready"
    assert prepared.finish().digest == packed.descriptor.digest
    assert names(proxy.of("PUT", MANIFESTS)) == ["a", "b"]
    assert registry.digest(repository, packed.descriptor.digest)


def test_one_that_is_not_alone_and_one_without_names_arrive_by_their_digests(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    packed = random_packed(202)
    for tags, alone in (((), True), (("a",), False)):
        destination = taken(pusher.destination(proxy.host, registry.new_repository(), tags=tags), packed)
        destination.prepare(packed, alone=alone)
        assert names(proxy.of("PUT", MANIFESTS))[-1] == packed.descriptor.digest


def test_the_images_of_an_index_arrive_before_its_name(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    images = [random_packed(seed, layers=1) for seed in (203, 204)]
    destination = pusher.destination(proxy.host, registry.new_repository(), tags=("1",))
    for image in images:
        taken(destination, image)
    prepared = destination.prepare_index(seal_index(images), alone=True)
    assert set(names(proxy.of("PUT", MANIFESTS))) == {image.descriptor.digest for image in images}
    prepared.finish()
    assert names(proxy.of("PUT", MANIFESTS))[2:] == ["1"]


def prepared_with(pusher: Pusher, proxy: FaultProxy, registry: MemoryRegistry, seed: int) -> Prepared:
    """An image that shall get two names that another image has, given before and after two new ones."""
    repository, old, packed = registry.new_repository(), random_packed(seed), random_packed(seed + 500)
    for_old = taken(pusher.destination(registry.host, repository, tags=("first", "last")), old)
    for_old.prepare(old).finish()
    destination = pusher.destination(proxy.host, repository, tags=("first", "new", "newer", "newest", "last"))
    return taken(destination, packed).prepare(packed, alone=True)


def test_new_names_come_first_and_those_of_another_image_one_by_one(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    prepared = prepared_with(pusher, proxy, registry, 205)
    asked = [
        [each.references[0].rpartition(":")[0].rpartition("@")[0].rpartition(":")[2] for each in group]
        for group in prepared.taggings
    ]
    assert asked == [["new"], ["newer", "newest"], ["first"], ["last"]]
    set_names([prepared], TagRecord())
    assert names(proxy.of("PUT", MANIFESTS))[-2:] == ["first", "last"]


@pytest.mark.parametrize(
    ("refused", "written"),
    [
        ("new", {"new"}),
        ("newest", {"new", "newer", "newest"}),
        ("first", {"new", "newer", "newest", "first"}),
    ],
)
def test_a_name_that_is_refused_leaves_those_behind_it_as_they_are(
    refused: str, written: set[str], registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    prepared = prepared_with(pusher, proxy, registry, 206)
    denied = json.dumps({"errors": [{"code": "DENIED", "message": "the tag is immutable"}]}).encode()
    proxy.fail_next("PUT", f"{MANIFESTS}{refused}$", status=403, body=denied)
    record = TagRecord()
    record.begin()
    with pytest.raises(NotAllowedError) as raised:
        set_names([prepared], record)
    assert set(names(proxy.of("PUT", MANIFESTS))) == written
    told = record.failed(raised.value).detail.splitlines()
    assert sum(line.startswith("set: ") for line in told) == (len(written) - 1 if len(written) > 1 else 0)


def refusals(status: int, code: str = "") -> dict[str, Any]:
    body = json.dumps({"errors": [{"code": code, "message": "no"}]}).encode() if code else b""
    return {"status": status, "body": body}


def test_a_small_blob_that_is_not_taken_whole_is_streamed_and_so_are_the_next(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    packed, repository = random_packed(207, size=1000), registry.new_repository()
    proxy.fail_next("PUT", UPLOADS, **refusals(405, "UNSUPPORTED"))
    destination = taken(pusher.destination(proxy.host, repository, tags=("1",)), packed)
    destination.prepare(packed, alone=True).finish()
    assert len(proxy.of("PATCH")) == 4, "three layers and the config"
    assert registry.digest(repository, "1") == packed.descriptor.digest
    assert not registry.open_uploads(repository)


@pytest.mark.parametrize("code", ["NAME_UNKNOWN", "DENIED"])
def test_a_small_blob_that_is_refused_for_good_is_not_sent_in_another_form(
    code: str, registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    proxy.fail_next("PUT", UPLOADS, **refusals(404, code), times=9)
    with pytest.raises(Error, match=code):
        taken(pusher.destination(proxy.host, registry.new_repository()), random_packed(208, size=1000))
    assert not proxy.of("PATCH")


def test_a_small_blob_whose_answer_was_lost_is_not_sent_again(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    packed = random_packed(209, layers=1, size=1000)
    proxy.lose_response("PUT", UPLOADS)
    assert (
        pusher.destination(proxy.host, registry.new_repository()).take(packed.layers[0]).state == "uploaded"
    )
    assert len(proxy.of("PUT", UPLOADS)) == 1


def test_a_config_that_is_there_already_is_not_sent_from_far_away(
    registry: MemoryRegistry, proxy: FaultProxy, far: Pusher
) -> None:
    """A session was opened while it was asked for, and is cancelled."""
    packed, repository = random_packed(210), registry.new_repository()
    taken(far.destination(registry.host, repository), packed).prepare(packed).finish()
    destination = taken(far.destination(proxy.host, repository, tags=("1",)), packed)
    assert {blob.state for blob in destination.prepare(packed, alone=True).finish().blobs} == {"reused"}
    assert len(proxy.of("POST")) == len(proxy.of("DELETE")) == 1
    assert not proxy.of("PUT", UPLOADS)
    assert not registry.open_uploads(repository)


def test_a_question_that_fails_leaves_no_session_of_the_same_moment(
    registry: MemoryRegistry, proxy: FaultProxy, far: Pusher
) -> None:
    packed, repository = random_packed(211, layers=1, size=1000), registry.new_repository()
    destination = far.destination(proxy.host, repository, tags=("1",))
    destination.check()
    proxy.fail_next("HEAD", "/blobs/", status=503)
    taken(destination, packed).prepare(packed).finish()
    assert registry.digest(repository, "1") == packed.descriptor.digest
    assert not registry.open_uploads(repository)


@pytest.mark.parametrize("lost", [False, True])
def test_blobs_are_asked_for_before_a_name_is_set_from_far_away_too(
    lost: bool, registry: MemoryRegistry, proxy: FaultProxy, far: Pusher
) -> None:
    first, repository = random_packed(212), registry.new_repository()
    taken(far.destination(registry.host, repository, tags=("1",)), first).prepare(first).finish()
    client = far.client(proxy.host, repository)
    destination = RegistryDestination(client, tags=("1",), reuse=Reuse(), emit=far.events.append)
    destination.check()
    assert destination.existing() is destination.existing(), "it is looked at once"
    assert client.is_far
    again = packed_of(*(replace(layer, open=None) for layer in first.layers), seed=9)
    if not lost:
        taken(destination, again).prepare(again, alone=True).finish()
        assert registry.digest(repository, "1") == again.descriptor.digest
        return
    gone = first.layers[1].descriptor.digest
    del registry.blobs[repository, gone]
    with pytest.raises(BlobsUnknownError) as raised:
        taken(destination, again).prepare(again, alone=True)
    assert raised.value.digests == {gone}
    assert registry.digest(repository, "1") == first.descriptor.digest


def test_sessions_are_opened_while_the_bytes_of_others_are_sent(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    """And no more bodies are under way than may be."""
    packed, repository = random_packed(213, layers=3), registry.new_repository()
    client = pusher.client(proxy.host, repository)
    destination = RegistryDestination(client, tags=("1",), bodies=1, emit=pusher.events.append)
    hold = proxy.hold_next("PATCH", UPLOADS)
    with ThreadPoolExecutor(3) as pool:
        begun = [pool.submit(destination.take, layer) for layer in packed.layers]
        assert hold.arrived.wait(10)
        for _ in range(1000):
            if len(proxy.of("POST")) == len(packed.layers):
                break
            time.sleep(0.01)
        assert len(proxy.of("POST")) == len(packed.layers)
        assert not proxy.of("PATCH"), "one is under way, and none has been answered"
        hold.let_pass()
        assert {each.result().state for each in begun} == {"uploaded"}
    assert not registry.open_uploads(repository)


def test_a_manifest_that_is_stored_as_another_by_its_name_is_told_with_what_that_means(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    """By its digest a registry could not have taken it; by its first name it may have."""
    packed = random_packed(214, layers=1)
    proxy.change_next(
        "PUT",
        f"{MANIFESTS}1$",
        lambda answer: replace(
            answer, headers=answer.headers | {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
        ),
    )
    destination = taken(pusher.destination(proxy.host, registry.new_repository(), tags=("1",)), packed)
    with pytest.raises(RejectedError, match="stored sha256:0000") as raised:
        destination.prepare(packed, alone=True).finish()
    assert "the tag 1 may name what it stored" in raised.value.hint


@pytest.mark.parametrize(("status", "code"), [(409, ""), (410, ""), (409, "BLOB_UNKNOWN"), (500, "")])
def test_a_small_blob_whose_commit_was_lost_is_asked_for_and_streamed(
    status: int, code: str, registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    """A registry that never takes a whole blob, and does not say so, is sent it once."""
    proxy.fail_next("PUT", UPLOADS, **refusals(status, code))
    layer = random_packed(215, layers=1, size=1000).layers[0]
    assert pusher.destination(proxy.host, registry.new_repository()).take(layer).state == "uploaded"
    assert len(proxy.of("PATCH")) == 1


@pytest.mark.parametrize("bodies", [1, 2])
def test_as_many_bodies_as_are_allowed_where_no_patch_is_taken(
    bodies: int, registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    packed, repository = random_packed(216, layers=4), registry.new_repository()
    client = pusher.client(proxy.host, repository)
    destination = RegistryDestination(client, bodies=bodies, emit=pusher.events.append)
    proxy.fail_next("PATCH", UPLOADS, status=405, times=9)
    hold = proxy.hold_next("PUT", UPLOADS)
    with ThreadPoolExecutor(4) as pool:
        begun = [pool.submit(destination.take, layer) for layer in packed.layers]
        assert hold.arrived.wait(10)
        done = [put for put in proxy.of("PUT", UPLOADS) if put.received]
        assert bodies > 1 or not done, "the one that is under way is held"
        hold.let_pass()
        assert {each.result().state for each in begun} == {"uploaded"}


def test_connections_are_opened_ahead_once(
    registry: MemoryRegistry, far: Pusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, repository = random_packed(217), registry.new_repository()
    tags = ("1", "2", "3")
    taken(far.destination(registry.host, repository, tags=tags), packed).prepare(packed).finish()
    counts: list[int] = []
    monkeypatch.setattr(Transport, "connect_ahead", lambda _self, _url, count: counts.append(count))
    for bodies in (4, 1):
        client = far.client(registry.host, repository)
        destination = RegistryDestination(
            client, tags=tags, reuse=Reuse(), bodies=bodies, emit=far.events.append
        )
        destination.check()
    assert counts == [len(packed.layers) + len(tags) + 2], "and none for who sends one at a time"


def test_an_image_that_is_there_by_its_digest_costs_no_question_about_its_layers(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    packed, repository = random_packed(218), registry.new_repository()
    taken(pusher.destination(registry.host, repository, tags=("main",)), packed).prepare(packed).finish()
    client = pusher.client(proxy.host, repository)
    destination = RegistryDestination(client, reuse=Reuse(("main",)), emit=pusher.events.append)
    destination.check()
    listed = packed_of(*(replace(layer, open=None) for layer in packed.layers), seed=218)
    assert listed.descriptor.digest == packed.descriptor.digest
    taken(destination, listed).prepare(listed, alone=True).finish()
    assert not proxy.of("HEAD", "/blobs/")


def test_a_session_is_asked_for_with_the_question_after_two_misses(
    registry: MemoryRegistry, proxy: FaultProxy, far: Pusher
) -> None:
    """Where every second layer is there, none is opened in vain."""
    packed, repository = random_packed(219, layers=8), registry.new_repository()
    for layer in packed.layers[::2]:
        far.destination(registry.host, repository).take(layer)
    destination = far.destination(proxy.host, repository)
    destination.check()
    taken(destination, packed)
    assert len(proxy.of("POST")) == 1 + 4, "the check, and those that lack"


def test_connections_that_are_not_allowed_halve_what_is_asked_at_once(
    registry: MemoryRegistry, proxy: FaultProxy, pusher: Pusher
) -> None:
    """As answers of 503 do: a registry, or what stands before it, may break connections beyond some number."""
    proxy.reset_next("HEAD", "/blobs/", times=2)
    packed = random_packed(220, layers=4)
    destination = pusher.destination(proxy.host, registry.new_repository())
    with ThreadPoolExecutor(4) as pool:
        assert {each.state for each in pool.map(destination.take, packed.layers)} == {"uploaded"}
    assert destination._uploads._limit.limit is not None
