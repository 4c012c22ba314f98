"""One fault at a time between us and a real registry: the push goes through, sends little twice, and ends in a whole image.

Waits are counted by the clock that is handed in, and not slept.
"""

from __future__ import annotations

import json

import pytest

from flakeship.errors import Error, UnreachableError
from flakeship.events import Retry
from flakeship.http.errors import WireError
from tests.destinations.faults import MANIFESTS, REQUESTS_OF_A_PUSH, SIZE, UPLOADS, assert_complete, push_past
from tests.destinations.pushing import Pusher, push
from tests.images import random_packed
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_faults import Answer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "HEAD"])
def test_a_reset_before_any_answer(
    method: str, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.reset_next(method, "/blobs/")
    push_past(proxy, registry, pusher)
    assert len(pusher.of(Retry)) == 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_reset_in_the_middle_of_the_body(
    share: float, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.reset_next("PATCH", UPLOADS, after_bytes=int(share * SIZE))
    push_past(proxy, registry, pusher)
    assert proxy.received <= 2 * SIZE * 1.02


def test_a_reset_after_the_body_before_the_answer(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.lose_response("PATCH", UPLOADS)
    push_past(proxy, registry, pusher)


def test_a_commit_that_counted_and_whose_answer_was_lost(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.lose_response("PUT", UPLOADS)
    push_past(proxy, registry, pusher)
    assert proxy.received < SIZE * 1.02, "nothing is sent twice"


def test_a_commit_that_was_lost_with_its_session(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    gone = json.dumps({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "unknown"}]}).encode()
    proxy.fail_next("PUT", UPLOADS, status=404, body=gone)
    push_past(proxy, registry, pusher)
    assert len(proxy.of("PATCH")) == 2, "the layer twice; the config is small"


def refused(code: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": "it is not here"}]}).encode()


LOST = [
    (404, refused("BLOB_UNKNOWN")),
    (404, refused("NOT_FOUND")),
    (404, b""),
    (404, b"<html>404</html>"),
    (400, refused("BLOB_UPLOAD_INVALID")),
    (400, refused("UNKNOWN")),
    (409, b""),
    (416, refused("RANGE_INVALID")),
]
"""How registries refuse the commit of a session that they have lost, or have committed already."""


@pytest.mark.parametrize(("status", "body"), LOST)
def test_a_lost_commit_in_every_dialect(
    status: int, body: bytes, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("PUT", UPLOADS, status=status, body=body, times=2)
    push_past(proxy, registry, pusher)
    assert len(proxy.of("PATCH")) == 3, "the layer three times; the config is small"


@pytest.mark.parametrize(("status", "body"), LOST)
def test_a_commit_that_counted_and_was_refused_all_the_same(
    status: int, body: bytes, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.change_next("PUT", UPLOADS, lambda _: Answer(status, {}, body))
    push_past(proxy, registry, pusher)
    assert proxy.received < SIZE * 1.02, "nothing is sent twice"


def test_a_lost_commit_where_no_patch_is_taken(proxy: FaultProxy, registry: Registry, pusher: Pusher) -> None:
    proxy.fail_next("PATCH", UPLOADS, status=405, times=1)
    proxy.fail_next("PUT", UPLOADS, status=404, body=refused("BLOB_UNKNOWN"), skip=1)
    push_past(proxy, registry, pusher, layers=2)


def test_a_registry_that_never_takes_a_blob_is_not_sent_it_for_ever(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("PUT", UPLOADS, status=404, times=9)
    with pytest.raises(UnreachableError, match="404; tried 3 times"):
        push(random_packed(27, layers=1), pusher.destination(proxy.host, registry.new_repository()))


@pytest.mark.parametrize("code", ["NAME_UNKNOWN", "NAME_INVALID", "UNSUPPORTED"])
def test_a_commit_that_is_refused_for_good_is_not_tried_again(
    code: str, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("PUT", UPLOADS, status=404, body=refused(code), times=9)
    with pytest.raises(Error, match=code):
        push(random_packed(26, layers=1), pusher.destination(proxy.host, registry.new_repository()))
    assert len(proxy.of("PUT", UPLOADS)) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
@pytest.mark.parametrize(("method", "pattern"), REQUESTS_OF_A_PUSH)
def test_one_server_error(  # noqa: PLR0917 - what is tried, and the fixtures
    method: str, pattern: str, status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next(method, pattern, status=status, body=b"<html>an error page</html>")
    push_past(proxy, registry, pusher)
    assert [retry.attempt for retry in pusher.of(Retry)] == [1]
    assert 0 <= sum(pusher.clock.slept) <= 0.5


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "PUT"])
def test_a_registry_that_is_down_for_good(
    method: str, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next(method, "/v2/", status=500, times=999, body=b"the disk is on fire\nmore")
    repository = registry.new_repository()
    with pytest.raises(UnreachableError, match="tried 6 times") as raised:
        push(random_packed(8, layers=1), pusher.destination(proxy.host, repository, tags=("latest",)))
    assert "500" in raised.value.message
    assert "the disk is on fire" in raised.value.message or method == "HEAD"
    assert "status page" in raised.value.hint
    assert registry.tags(repository) == []
    assert registry.open_uploads(repository) == []
    assert len(pusher.clock.slept) == 5
    assert sum(pusher.clock.slept) <= 0.5 + 1 + 2 + 4 + 8


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_the_registry_asks_for(
    status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("PATCH", UPLOADS, status=status, headers={"Retry-After": "7"})
    push_past(proxy, registry, pusher)
    assert sum(pusher.clock.slept) == pytest.approx(7)


def test_a_wait_that_is_too_long_fails_at_once_and_names_it(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("POST", UPLOADS, status=429, headers={"Retry-After": "86400"})
    with pytest.raises(UnreachableError, match="wait 86400 s, which is more than 300 s") as raised:
        push(random_packed(9), pusher.destination(proxy.host, registry.new_repository()))
    assert "limits how many requests" in raised.value.hint
    assert pusher.clock.slept == []


def test_a_limit_on_requests_pauses_every_worker(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    destination = pusher.destination(proxy.host, registry.new_repository())
    packed = random_packed(10, layers=2)
    proxy.fail_next("POST", UPLOADS, status=429, headers={"Retry-After": "5"})
    with pytest.raises(WireError):
        destination._client.start_upload()
    assert pusher.clock.slept == []
    destination.take(packed.layers[0])
    assert sum(pusher.clock.slept) == pytest.approx(5)


def test_bursts_of_trouble_halve_the_uploads_at_once(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("POST", UPLOADS, status=500, times=4)
    packed, repository = random_packed(28, layers=8), registry.new_repository()
    destination = pusher.destination(proxy.host, repository, tags=("latest",))
    push(packed, destination, threads=4)
    assert_complete(registry, repository, packed.descriptor.digest)
    limit = destination._uploads._limit.limit
    assert limit is not None
    assert limit <= 2


def test_every_error_names_the_repository_or_its_url(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    repository = registry.new_repository()
    proxy.fail_next("PUT", MANIFESTS, status=400, body=b"no")
    with pytest.raises(Error, match=repository):
        push(random_packed(29), pusher.destination(proxy.host, repository))
