"""Questions that need not be asked: what a registry answers to them ends no push that its PUT would have made."""

from __future__ import annotations

import pytest

from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.destinations.registry.dry_run import DryRun
from flakeship.destinations.registry.reusable import Reuse
from flakeship.errors import NotAllowedError, UnreachableError
from flakeship.events import Notice, Retry
from flakeship.http.errors import UnsafeUrlError
from flakeship.image.index import seal_index
from flakeship.image.stream import sha256_of
from tests.destinations.faults import MANIFESTS, UPLOADS, assert_complete
from tests.destinations.pushing import Pusher, push
from tests.images import random_packed
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow

LOOKS = ("GET", "HEAD")


def refuse_looks(proxy: FaultProxy, pattern: str, status: int) -> None:
    for method in LOOKS:
        proxy.fail_next(method, pattern, status=status, times=99)


@pytest.mark.parametrize("status", [400, 401, 403, 405, 406, 410, 501])
def test_a_manifest_that_may_not_be_looked_at_is_pushed(
    status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    """Artifactory says 403 of a tag that is not there, and a robot may push and not pull."""
    refuse_looks(proxy, MANIFESTS, status)
    packed, repository = random_packed(1), registry.new_repository()
    published = push(packed, pusher.destination(proxy.host, repository, tags=("latest", "2")))
    assert published.digest == packed.descriptor.digest
    assert_complete(registry, repository, packed.descriptor.digest)
    assert sorted(registry.tags(repository)) == ["2", "latest"]
    told = [event.text for event in pusher.of(Notice)]
    assert len([text for text in told if "can't be read back" in text]) == 2


@pytest.mark.parametrize("status", [401, 403, 405])
def test_an_index_that_may_not_be_looked_at_is_pushed(
    status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    images, repository = [random_packed(seed, layers=1) for seed in (2, 3)], registry.new_repository()
    for image in images:
        push(image, pusher.destination(registry.host, repository))
    refuse_looks(proxy, MANIFESTS, status)
    destination = pusher.destination(proxy.host, repository, tags=("1",))
    index = seal_index([image.descriptor for image in images])
    assert destination.prepare_index(index).finish().digest == index.descriptor.digest
    assert registry.tags(repository) == ["1"]


@pytest.mark.parametrize("status", [400, 401, 403, 405, 501])
def test_blobs_that_may_not_be_looked_at_are_sent(
    status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    refuse_looks(proxy, "/blobs/sha256:", status)
    packed, repository = random_packed(4), registry.new_repository()
    push(packed, pusher.destination(proxy.host, repository, tags=("latest",)))
    assert_complete(registry, repository, packed.descriptor.digest)


@pytest.mark.parametrize("status", [204, 400, 403, 404, 405, 410, 501])
def test_what_a_registry_says_of_its_root_is_a_hint(
    status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next("GET", "/v2/$", status=status, times=99)
    packed, repository = random_packed(5), registry.new_repository()
    destination = pusher.destination(proxy.host, repository, tags=("1",))
    destination.check()
    push(packed, destination)
    assert registry.tags(repository) == ["1"]


def test_the_put_still_decides(proxy: FaultProxy, registry: Registry, pusher: Pusher) -> None:
    refuse_looks(proxy, MANIFESTS, 403)
    proxy.fail_next(
        "PUT", MANIFESTS, status=403, body=b'{"errors":[{"code":"DENIED","message":"read-only"}]}', times=9
    )
    with pytest.raises(NotAllowedError, match="read-only"):
        push(random_packed(6), pusher.destination(proxy.host, registry.new_repository(), tags=("1",)))


def test_a_tag_that_was_refused_tells_why_although_it_may_not_be_looked_at(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    refuse_looks(proxy, MANIFESTS, 403)
    proxy.fail_next(
        "PUT", "/manifests/1$", status=400, body=b'{"errors":[{"code":"TAG_INVALID","message":"immutable"}]}'
    )
    with pytest.raises(UnreachableError, match="immutable"):
        push(random_packed(7), pusher.destination(proxy.host, registry.new_repository(), tags=("1",)))


@pytest.mark.parametrize(("method", "pattern"), [("GET", MANIFESTS), ("GET", "/blobs/sha256:")])
def test_a_look_at_what_can_be_used_again_is_tried_again(
    method: str, pattern: str, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    """One bad answer before the build would cost the build, and all layers."""
    packed, repository = random_packed(12), registry.new_repository()
    push(packed, pusher.destination(registry.host, repository, tags=("1",)))
    proxy.fail_next(method, pattern, status=503)
    client = pusher.client(proxy.host, repository)
    destination = RegistryDestination(client, tags=("1",), reuse=Reuse(), emit=pusher.events.append)
    (image,) = destination.existing()
    assert [layer.digest for layer in image.layers if layer] == [
        layer.descriptor.digest for layer in packed.layers
    ]
    (layer, *_) = filter(None, image.layers)
    proxy.fail_next("GET", layer.digest, status=503)
    with destination.open_blob(layer) as blob:
        assert sha256_of(blob) == (layer.digest, layer.size)
    assert proxy.pending == 0
    assert len(pusher.of(Retry)) == 2


def test_a_dry_run_asks_again_too(proxy: FaultProxy, registry: Registry, pusher: Pusher) -> None:
    packed, repository = random_packed(13, layers=1), registry.new_repository()
    push(packed, pusher.destination(registry.host, repository))
    dry = DryRun(pusher.destination(proxy.host, repository, tags=("1",)), emit=pusher.events.append)
    proxy.fail_next("HEAD", "/blobs/", status=503)
    assert dry.take(packed.layers[0]).state == "reused"


@pytest.mark.parametrize(
    ("status", "code"), [(415, ""), (400, "MANIFEST_INVALID"), (404, ""), (405, "UNSUPPORTED"), (501, "")]
)
def test_a_registry_that_knows_no_image_of_oci_is_told_by_a_hint(
    status: int, code: str, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    body = f'{{"errors":[{{"code":"{code}","message":"unknown media type"}}]}}'.encode() if code else b""
    proxy.fail_next("PUT", MANIFESTS, status=status, body=body)
    with pytest.raises(UnreachableError, match=str(status)) as raised:
        push(random_packed(14), pusher.destination(proxy.host, registry.new_repository(), tags=("1",)))
    assert "media-types: docker" in raised.value.hint


def test_trouble_is_no_refusal(proxy: FaultProxy, registry: Registry, pusher: Pusher) -> None:
    """A registry that is down may have the tag: what can't be told is asked again, and then ends the run."""
    refuse_looks(proxy, MANIFESTS, 503)
    with pytest.raises(UnreachableError, match="tried 6 times"):
        push(random_packed(8), pusher.destination(proxy.host, registry.new_repository(), tags=("1",)))


@pytest.mark.parametrize(("method", "pattern"), [("HEAD", MANIFESTS), ("HEAD", "/blobs/"), ("GET", "/v2/$")])
def test_a_question_that_leads_astray_ends_the_run(
    method: str, pattern: str, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next(method, pattern, status=307, headers={"Location": "http://evil.example/x"}, times=9)
    destination = pusher.destination(proxy.host, registry.new_repository(), tags=("1",))
    with pytest.raises(UnsafeUrlError) as raised:
        push(random_packed(9), destination)
    assert raised.value.exit_code == 6


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_upload_that_leads_astray_is_no_withheld_push(
    method: str, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    proxy.fail_next(method, UPLOADS, status=202, headers={"Location": "https://169.254.169.254/u"}, times=9)
    with pytest.raises(UnsafeUrlError, match="inside this network") as raised:
        push(random_packed(10), pusher.destination(proxy.host, registry.new_repository()))
    assert raised.value.exit_code == 6


@pytest.mark.parametrize("status", [400, 401, 403, 405])
def test_a_dry_run_needs_no_right_to_look(
    status: int, proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    refuse_looks(proxy, "/v2/.+", status)
    packed = random_packed(11)
    dry = DryRun(
        pusher.destination(proxy.host, registry.new_repository(), tags=("1",)), emit=pusher.events.append
    )
    assert not dry.existing()
    for layer in packed.layers:
        assert dry.take(layer).state == "withheld"
    assert not dry.prepare(packed).finish().sent
