"""Refusals, wrong answers and files that change: what is sent otherwise, what is told, and what is never tagged."""

from __future__ import annotations

import errno
import json
from dataclasses import replace

import pytest

from flakeship.destinations.protocol import BlobsUnknownError
from flakeship.errors import NotAllowedError, RejectedError, ResourceError, UnreachableError
from flakeship.events import Retry, Warned
from flakeship.image.model import PackedLayer
from tests.destinations.faults import BLOBS, MANIFESTS, SIZE, UPLOADS, assert_complete, push_past
from tests.destinations.pushing import Pusher, push
from tests.images import digests, opener, packed_of, random_layer, random_packed
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_faults import Answer

pytestmark = pytest.mark.slow


def test_an_early_refusal_is_read_although_the_connection_broke(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("PATCH", UPLOADS, status=403, body=b'{"errors":[{"code":"DENIED"}]}', early=True)
    layer = random_layer(11, size=32 << 20)
    with pytest.raises(NotAllowedError, match="403"):
        push(packed_of(layer), pusher.destination(proxy.host, registry.new_repository()))


def test_a_refusal_is_not_tried_again_and_its_words_are_shown(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": "quota\x1b[31m exceeded"}]}).encode()
    proxy.fail_next("POST", UPLOADS, status=403, body=body, times=9)
    with pytest.raises(NotAllowedError, match=r"DENIED: quota +exceeded") as raised:
        push(random_packed(12, layers=1), pusher.destination(proxy.host, registry.new_repository()))
    assert "\x1b" not in raised.value.message
    assert len(proxy.of("POST")) == 1


def test_a_name_that_the_registry_refuses_is_told_in_its_words(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    body = json.dumps({"errors": [{"code": "NAME_INVALID", "message": "bad name"}]}).encode()
    proxy.fail_next("POST", UPLOADS, status=400, body=body)
    with pytest.raises(UnreachableError, match="400: NAME_INVALID: bad name"):
        push(random_packed(13), pusher.destination(proxy.host, registry.new_repository()))


@pytest.mark.parametrize("status", [400, 404, 405, 411, 413, 415, 416, 501])
def test_a_registry_that_takes_no_patch_gets_one_put(
    status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("PATCH", UPLOADS, status=status, times=9)
    packed, repository = random_packed(14, layers=2, size=SIZE), registry.new_repository()
    push(packed, pusher.destination(proxy.host, repository, tags=("latest",)))
    assert_complete(registry, repository, packed.descriptor.digest)
    assert registry.open_uploads(repository) == []
    assert len(proxy.of("PATCH")) == 1, "what it refuses is remembered"
    assert pusher.of(Retry) == []


def test_a_put_that_is_refused_is_no_upload(proxy: FaultProxy, registry: Registry, pusher: Pusher) -> None:
    """The registry takes no PATCH; it took one layer by a PUT, is in trouble at the second, and then refuses it."""
    proxy.fail_next("PATCH", UPLOADS, status=405, times=9)
    repository = registry.new_repository()
    destination = pusher.destination(proxy.host, repository)
    first, second = random_packed(30, layers=2).layers
    assert destination.take(first).state == "uploaded"
    proxy.fail_next("PUT", UPLOADS, status=503)
    proxy.fail_next("PUT", UPLOADS, status=413)
    with pytest.raises(UnreachableError, match=r"PUT .* was answered 413"):
        destination.take(second)
    assert proxy.pending == 1, "the PATCH was tried once"
    assert registry.blob(repository, second.descriptor.digest) is None
    assert registry.open_uploads(repository) == []


def test_a_request_too_large_for_a_proxy_names_the_proxy(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("PATCH", UPLOADS, status=413, times=9)
    proxy.fail_next("PUT", UPLOADS, status=413, times=9)
    repository = registry.new_repository()
    with pytest.raises(UnreachableError, match="413") as raised:
        push(random_packed(15), pusher.destination(proxy.host, repository))
    assert "client_max_body_size" in raised.value.hint
    assert registry.open_uploads(repository) == []


def test_patches_that_fail_now_and_then_where_put_never_works_are_tried_again(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    """As seen of Artifactory: GoogleContainerTools/jib#3399, docker/buildx#196."""
    proxy.fail_next("PATCH", UPLOADS, status=404)
    proxy.fail_next("PUT", UPLOADS, status=404)
    push_past(proxy, registry, pusher)
    assert len(pusher.of(Retry)) == 1


def test_a_success_without_a_location_is_tried_again(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("POST", UPLOADS, status=200, body=b"Healthcheck requested")
    push_past(proxy, registry, pusher)


@pytest.mark.parametrize("path", [UPLOADS, MANIFESTS])
def test_a_registry_that_stores_something_else(
    path: str, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    def corrupt(answer: Answer) -> Answer:
        return replace(answer, headers=answer.headers | {"Docker-Content-Digest": f"sha256:{'0' * 64}"})

    proxy.change_next("PUT", path, corrupt)
    repository = registry.new_repository()
    with pytest.raises(RejectedError, match=r"stored sha256:000000.* when it was sent") as raised:
        push(random_packed(16), pusher.destination(proxy.host, repository, tags=("latest",)))
    assert "no tag was set" in raised.value.hint
    assert registry.tags(repository) == []


def _broken_in_transit(layer: PackedLayer) -> tuple[PackedLayer, list[int]]:
    """A layer whose first reading has a wrong byte, as if a line had flipped it."""
    assert layer.open
    good = layer.open().read()
    readings: list[int] = []

    def open_() -> object:
        readings.append(1)
        return opener(good if len(readings) > 1 else b"\0" + good[1:])()

    return replace(layer, open=open_), readings  # type: ignore[arg-type]


def test_a_flipped_bit_is_sent_again_once(registry: Registry, pusher: Pusher) -> None:
    layer, readings = _broken_in_transit(random_layer(17))
    repository = registry.new_repository()
    push(packed_of(layer), pusher.destination(registry.host, repository))
    assert registry.blob(repository, layer.descriptor.digest) is not None
    assert len(readings) == 3, "sent, checked here, sent again"


def test_a_file_that_changed_is_told_and_not_sent_again(registry: Registry, pusher: Pusher) -> None:
    layer = random_layer(18)
    assert layer.open
    changed = replace(layer, open=opener(b"\0" + layer.open().read()[1:]))
    with pytest.raises(ResourceError, match="changed while it was being sent") as raised:
        push(packed_of(changed), pusher.destination(registry.host, registry.new_repository()))
    assert layer.descriptor.digest[:19] in raised.value.message
    assert pusher.of(Retry) == []


def test_a_file_that_shrank_does_not_hang(registry: Registry, pusher: Pusher) -> None:
    layer = random_layer(19)
    assert layer.open
    shrunk = replace(layer, open=opener(layer.open().read()[:-10]))
    with pytest.raises(ResourceError, match="ended 10 bytes early"):
        push(packed_of(shrunk), pusher.destination(registry.host, registry.new_repository()))
    assert pusher.of(Retry) == []


def test_a_file_that_vanished_is_no_network_error(registry: Registry, pusher: Pusher) -> None:
    def vanished() -> object:
        raise FileNotFoundError(2, "No such file or directory")

    layer = replace(random_layer(20), open=vanished)  # type: ignore[arg-type]
    with pytest.raises(ResourceError, match=r"can't be read: No such file"):
        push(packed_of(layer), pusher.destination(registry.host, registry.new_repository()))
    assert pusher.of(Retry) == []


@pytest.mark.parametrize("status", [401, 403, 404, 500, 0])
def test_whatever_goes_wrong_with_mounting_the_blob_is_sent(
    status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    if status:
        proxy.fail_next("POST", "mount=", status=status, times=9)
    else:
        proxy.reset_next("POST", "mount=", times=9)
    packed, repository = random_packed(21, layers=1), registry.new_repository()
    destination = pusher.destination(proxy.host, repository, tags=("latest",), mount_from=("other/place",))
    published = push(packed, destination)
    assert [blob.state for blob in published.blobs] == ["uploaded", "uploaded"]
    assert_complete(registry, repository, packed.descriptor.digest)


def test_a_blob_that_the_registry_only_thought_it_had(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    packed, repository = random_packed(22, layers=2), registry.new_repository()
    destination = pusher.destination(proxy.host, repository, tags=("latest",))
    stale = packed.layers[1]
    proxy.fail_next("HEAD", stale.descriptor.digest, status=200)
    for layer in packed.layers:
        destination.take(layer)
    with pytest.raises(BlobsUnknownError) as raised:
        destination.prepare(packed).finish()
    assert raised.value.digests == {stale.descriptor.digest}
    assert registry.tags(repository) == []
    assert destination.take(stale, certain=False).state == "uploaded"
    destination.prepare(packed).finish()
    assert_complete(registry, repository, packed.descriptor.digest)


def test_a_config_that_the_registry_only_thought_it_had(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    packed, repository = random_packed(23), registry.new_repository()
    destination = pusher.destination(proxy.host, repository, tags=("latest",))
    proxy.fail_next("HEAD", packed.config_descriptor.digest, status=200)
    with pytest.raises(BlobsUnknownError):
        push(packed, destination)
    destination.prepare(packed).finish()
    assert_complete(registry, repository, packed.descriptor.digest)


def test_a_registry_that_never_finds_its_blobs_is_not_asked_for_ever(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    body = json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown"}]}).encode()
    proxy.fail_next("PUT", MANIFESTS, status=400, body=body, times=9)
    packed = random_packed(24)
    destination = pusher.destination(proxy.host, registry.new_repository(), tags=("latest",))
    with pytest.raises(BlobsUnknownError) as raised:
        push(packed, destination)
    assert raised.value.digests == set(digests(packed)), "it names none, so each is doubted"
    with pytest.raises(UnreachableError, match="MANIFEST_BLOB_UNKNOWN"):
        destination.prepare(packed).finish()


@pytest.mark.parametrize("status", [401, 403, 405])
def test_a_registry_that_refuses_to_be_asked(
    status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("HEAD", BLOBS, status=status, times=2)
    push_past(proxy, registry, pusher)


def test_an_immutable_tag_that_differs(proxy: FaultProxy, registry: Registry, pusher: Pusher) -> None:
    repository = registry.new_repository()
    first, second = random_packed(25), random_packed(26)
    push(first, pusher.destination(registry.host, repository, tags=("v1",)))
    body = json.dumps({"errors": [{"code": "TAG_INVALID", "message": "tag v1 already exists"}]}).encode()
    proxy.fail_next("PUT", MANIFESTS + "v1", status=400, body=body, times=9)
    with pytest.raises(NotAllowedError, match=r"v1 is immutable and names another image: sha256:") as raised:
        push(second, pusher.destination(proxy.host, repository, tags=("v1",)))
    assert "new tag" in raised.value.hint
    assert registry.digest(repository, "v1") == first.descriptor.digest


def test_an_immutable_tag_whose_first_answer_was_lost(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    body = json.dumps({"errors": [{"code": "TAG_INVALID", "message": "tag already exists"}]}).encode()
    proxy.lose_response("PUT", MANIFESTS + "latest")
    proxy.fail_next("PUT", MANIFESTS + "latest", status=400, body=body, times=1)
    push_past(proxy, registry, pusher)


def test_a_tag_that_someone_else_moved_meanwhile_is_told(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    other = f"sha256:{'1' * 64}"

    def moved(answer: Answer) -> Answer:
        return replace(answer, headers=answer.headers | {"Docker-Content-Digest": other})

    proxy.change_next("HEAD", MANIFESTS + "latest", moved, skip=1)
    push_past(proxy, registry, pusher)
    (warning,) = pusher.of(Warned)
    assert other in warning.text
    assert "use the digest" in warning.hint


def test_a_server_that_accepts_everything_and_keeps_nothing_is_found_out(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("PUT", MANIFESTS + "latest", status=201)
    with pytest.raises(UnreachableError, match="accepted by the registry, but is not there") as raised:
        push(random_packed(27), pusher.destination(proxy.host, registry.new_repository(), tags=("latest",)))
    assert "accepts everything" in raised.value.hint


@pytest.mark.parametrize("dropped", [2, 1])
def test_a_manifest_that_is_accepted_and_thrown_away_is_no_success(
    dropped: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    """The tag was there before and stays as it was: of both manifests, or of the tag's alone, nothing is kept."""
    repository = registry.new_repository()
    push(random_packed(1), pusher.destination(registry.host, repository, tags=("latest",)))
    before = registry.digest(repository, "latest")
    pattern = MANIFESTS if dropped == 2 else MANIFESTS + "latest"
    proxy.fail_next("PUT", pattern, status=201, times=dropped)
    destination = pusher.destination(proxy.host, repository, tags=("latest",))
    if dropped == 2:
        with pytest.raises(UnreachableError, match="but has neither"):
            push(random_packed(2), destination)
    else:
        push(random_packed(2), destination)
        assert "was set to" in pusher.of(Warned)[-1].text
    assert registry.digest(repository, "latest") == before


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_file_that_can_not_be_opened_is_no_fault_of_the_disk(
    number: int, registry: Registry, pusher: Pusher
) -> None:
    def full() -> object:
        raise OSError(number, "Too many open files")

    layer = replace(random_layer(21), open=full)  # type: ignore[arg-type]
    with pytest.raises(ResourceError, match="can't be read: Too many open files") as raised:
        push(packed_of(layer), pusher.destination(registry.host, registry.new_repository()))
    assert {errno.EMFILE: "ulimit -n", errno.ENFILE: "fs.file-max"}[number] in raised.value.hint
    assert "disk" not in raised.value.hint
