"""Reading from a registry, which a push that reuses what is there does first."""

from __future__ import annotations

import pytest

from flakeship.events import Notice
from flakeship.http.body import RequestBody
from flakeship.http.errors import WireError
from flakeship.image.model import Digest
from flakeship.registry.upload_answer import UploadSession
from tests.destinations.pushing import Pusher, push
from tests.images import MANIFEST, opener, random_packed
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow

NOTHING = Digest(f"sha256:{'0' * 64}")


def test_what_was_pushed_can_be_read(registry: Registry, pusher: Pusher) -> None:
    packed, repository = random_packed(1), registry.new_repository()
    push(packed, pusher.destination(registry.host, repository, tags=("latest",)))
    client = pusher.client(registry.host, repository)
    manifest = client.get_manifest("latest")
    assert manifest
    assert (manifest.media_type, manifest.data) == (MANIFEST, packed.manifest)
    assert manifest.digest == client.head_manifest("latest") == packed.descriptor.digest
    layer = packed.layers[0]
    assert layer.open
    data = layer.open().read()
    assert client.head_blob(layer.descriptor.digest) == len(data)
    for start in (0, 1000):
        with client.get_blob(layer.descriptor.digest, start=start) as stream:
            assert b"".join(iter(lambda: stream.read(4096), b"")) == data[start:]


def test_what_is_not_there_is_none(registry: Registry, pusher: Pusher) -> None:
    client = pusher.client(registry.host, registry.new_repository())
    assert client.head_blob(NOTHING) is None
    assert client.head_manifest("latest") is None
    assert client.get_manifest("latest") is None


def test_a_registry_that_names_no_digest_is_read(
    registry: Registry, proxy: FaultProxy, pusher: Pusher
) -> None:
    packed, repository = random_packed(2), registry.new_repository()
    push(packed, pusher.destination(registry.host, repository, tags=("latest",)))
    proxy.fail_next("HEAD", "/manifests/", status=200)
    assert pusher.client(proxy.host, repository).head_manifest("latest") == packed.descriptor.digest


def test_a_manifest_beyond_the_limit_is_refused(proxy: FaultProxy, pusher: Pusher) -> None:
    proxy.fail_next("GET", "/manifests/", status=200, body=b"x" * (4 * 1024 * 1024 + 1))
    with pytest.raises(WireError, match="larger than 4 MiB"):
        pusher.client(proxy.host, "a/b").get_manifest("latest")


def test_a_manifest_of_the_limit_is_read(proxy: FaultProxy, pusher: Pusher) -> None:
    proxy.fail_next("GET", "/manifests/", status=200, body=b"x" * (4 * 1024 * 1024))
    manifest = pusher.client(proxy.host, "a/b").get_manifest("latest")
    assert manifest
    assert len(manifest.data) == 4 * 1024 * 1024


@pytest.mark.parametrize("status", [201, 202, 204])
def test_a_patch_that_names_no_location_stays_where_it_was(
    status: int, proxy: FaultProxy, pusher: Pusher
) -> None:
    proxy.fail_next("PATCH", "/x", status=status)
    session = UploadSession(f"http://{proxy.host}/v2/a/b/x?state=1")
    body = RequestBody(opener(b"it"), 2, "it", pusher.events.append)
    assert pusher.client(proxy.host, "a/b").patch(session, body) == session


def test_a_patch_with_an_empty_location_is_no_answer(proxy: FaultProxy, pusher: Pusher) -> None:
    proxy.fail_next("PATCH", "/x", status=202, headers={"Location": ""})
    session = UploadSession(f"http://{proxy.host}/v2/a/b/x")
    with pytest.raises(WireError, match=f"http://{proxy.host} answered 202 to an upload, without a Location"):
        pusher.client(proxy.host, "a/b").patch(
            session, RequestBody(opener(b"it"), 2, "it", pusher.events.append)
        )


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_session_may_be_opened_by_other_words(status: int, proxy: FaultProxy, pusher: Pusher) -> None:
    proxy.fail_next("POST", "/uploads/", status=status, headers={"Location": "/v2/x?a=b"})
    client = pusher.client(proxy.host, "a/b")
    session = client.start_upload()
    assert session.location == f"http://{proxy.host}/v2/x?a=b"
    proxy.fail_next("PUT", "/v2/x", status=201)
    client.commit(session, NOTHING)
    assert proxy.of("PUT")[0].path == f"/v2/x?a=b&digest=sha256%3A{'0' * 64}"


def test_a_warning_is_passed_on_once(proxy: FaultProxy, pusher: Pusher) -> None:
    warning = {"Warning": '299 - "this goes away", 299 - "bad \x1b[31m"'}
    proxy.fail_next("HEAD", "/blobs/", status=404, headers=warning, times=2)
    client = pusher.client(proxy.host, "a/b")
    client.head_blob(NOTHING)
    client.head_blob(NOTHING)
    assert [notice.text for notice in pusher.of(Notice)] == [f"{proxy.host} says: this goes away"]


def test_a_first_contact_that_failed_is_not_remembered(proxy: FaultProxy, pusher: Pusher) -> None:
    proxy.fail_next("GET", "/v2/$", status=503)
    client = pusher.client(proxy.host, "a/b")
    with pytest.raises(WireError, match="503"):
        client.ping()
    client.ping()
