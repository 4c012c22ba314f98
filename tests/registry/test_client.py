"""Reading from a registry, which a push that reuses what is there does first."""

from __future__ import annotations

import pytest

from flakeship.events import Notice
from flakeship.http.errors import WireError
from flakeship.image.model import Digest
from tests.destinations.pushing import Pusher, push
from tests.images import MANIFEST, random_packed
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
