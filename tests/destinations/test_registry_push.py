"""A whole image goes to a real registry, by each way of logging in, and is read there by a tool that is not ours."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.destinations.registry.reusable import Reuse
from flakeship.events import BytesMoved, LayerProgress, Notice
from flakeship.image.index import seal_index
from flakeship.image.model import Packed
from tests.destinations.pushing import Pusher, push
from tests.images import digests, packed_of, random_layer, random_packed
from tests.testbed.registry import FaultProxy, Registry

pytestmark = pytest.mark.slow


def test_an_open_registry_gets_the_image_under_its_tags(registry: Registry, pusher: Pusher) -> None:
    packed, repository = random_packed(1), registry.new_repository()
    published = push(packed, pusher.destination(registry.host, repository, tags=("latest", "v1")))

    name = f"{registry.host}/{repository}"
    assert published.reference == f"{name}@{packed.descriptor.digest}"
    assert published.tags == (f"{name}:latest", f"{name}:v1")
    assert [blob.digest for blob in published.blobs] == digests(packed)
    assert {blob.state for blob in published.blobs} == {"uploaded"}
    assert registry.tags(repository) == ["latest", "v1"]
    assert registry.digest(repository, "v1") == packed.descriptor.digest
    for layer in packed.layers:
        assert layer.open
        assert registry.blob(repository, layer.descriptor.digest) == layer.open().read()
    assert registry.open_uploads(repository) == []


def test_skopeo_reads_what_was_pushed(registry: Registry, pusher: Pusher) -> None:
    packed, repository = random_packed(2), registry.new_repository()
    push(packed, pusher.destination(registry.host, repository, tags=("latest",)))
    reference = f"docker://{registry.host}/{repository}:latest"
    command = ["skopeo", "inspect", "--tls-verify=false", reference]
    seen = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert seen["Digest"] == packed.descriptor.digest
    assert seen["Layers"] == digests(packed)[:-1]
    assert seen["Labels"] == {"seed": "2"}


def test_basic_and_bearer_let_the_right_password_in(
    basic_registry: Registry, token_registry: Registry, pusher: Pusher
) -> None:
    for registry in (basic_registry, token_registry):
        packed, repository = random_packed(3), registry.new_repository()
        login = (registry.username, registry.password)
        destination = pusher.destination(registry.host, repository, tags=("latest",), login=login)
        destination.check()
        push(packed, destination, threads=3)
        assert registry.digest(repository, "latest") == packed.descriptor.digest
        assert registry.open_uploads(repository) == []


def test_a_second_push_sends_nothing(registry: Registry, proxy: FaultProxy, pusher: Pusher) -> None:
    packed, repository = random_packed(4), registry.new_repository()
    push(packed, pusher.destination(registry.host, repository, tags=("latest",)))
    published = push(packed, pusher.destination(proxy.host, repository, tags=("latest",)))
    assert {blob.state for blob in published.blobs} == {"reused"}
    assert [entry.method for entry in proxy.requests] == ["GET", "HEAD", "HEAD", "HEAD", "HEAD", "HEAD"]
    assert proxy.received == 0
    assert [notice.text for notice in pusher.of(Notice)] == [f"{proxy.host}/{repository}:latest is unchanged"]


def test_a_changed_config_sends_config_and_manifest_alone(
    registry: Registry, proxy: FaultProxy, pusher: Pusher
) -> None:
    packed, repository = random_packed(5), registry.new_repository()
    push(packed, pusher.destination(registry.host, repository, tags=("latest",)))
    again = packed_of(*packed.layers, seed=6)
    push(again, pusher.destination(proxy.host, repository, tags=("latest",)))
    assert [entry.received for entry in proxy.of("PUT", "/uploads/")] == [len(again.config)]
    assert not proxy.of("PATCH"), "what is small needs no request of its own"
    assert registry.digest(repository, "latest") == again.descriptor.digest


def test_tags_come_last(registry: Registry, proxy: FaultProxy, pusher: Pusher) -> None:
    packed = random_packed(6)
    push(packed, pusher.destination(proxy.host, registry.new_repository(), tags=("a", "b")))
    puts = [entry.path.split("/")[-2:] for entry in proxy.of("PUT")]
    assert ["blobs", "uploads"] not in puts[-3:]
    assert puts[-3:] == [["manifests", packed.descriptor.digest], ["manifests", "a"], ["manifests", "b"]]


def test_a_layer_that_comes_twice_is_sent_once(registry: Registry, proxy: FaultProxy, pusher: Pusher) -> None:
    layer = random_layer(7)
    packed, repository = packed_of(layer, layer), registry.new_repository()
    published = push(packed, pusher.destination(proxy.host, repository, tags=("latest",)), threads=2)
    assert len(proxy.of("PUT", "/uploads/")) == 2, "the layer and the config"
    assert [blob.digest for blob in published.blobs] == digests(packed)


def test_a_blob_of_a_neighbour_is_mounted(token_registry: Registry, pusher: Pusher) -> None:
    packed, source = random_packed(8), token_registry.new_repository()
    login = (token_registry.username, token_registry.password)
    push(packed, pusher.destination(token_registry.host, source, login=login))
    target = token_registry.new_repository()
    destination = pusher.destination(
        token_registry.host, target, tags=("latest",), login=login, mount_from=(source,)
    )
    published = push(packed, destination)
    assert {blob.state for blob in published.blobs} == {"mounted"}
    assert token_registry.digest(target, "latest") == packed.descriptor.digest
    assert token_registry.tokens
    asked = token_registry.tokens.requests[-1].query["scope"]
    assert asked == [f"repository:{target}:pull,push", f"repository:{source}:pull"]


def test_events_tell_what_became_of_each_layer(registry: Registry, pusher: Pusher) -> None:
    packed, repository = random_packed(9), registry.new_repository()
    destination = pusher.destination(registry.host, repository)
    push(packed, destination)
    told = pusher.of(LayerProgress)
    assert [(event.digest, event.state, event.destination) for event in told] == [
        (layer.descriptor.digest, "uploaded", destination.name) for layer in packed.layers
    ]
    sizes = [layer.descriptor.size for layer in packed.layers]
    assert [event.size for event in told] == sizes
    assert sum(event.count for event in pusher.of(BytesMoved)) == sum(sizes) + len(packed.config)


def test_without_tags_the_image_is_there_by_its_digest(registry: Registry, pusher: Pusher) -> None:
    packed, repository = random_packed(10), registry.new_repository()
    published = push(packed, pusher.destination(registry.host, repository))
    assert published.tags == ()
    assert registry.digest(repository, packed.descriptor.digest) == packed.descriptor.digest
    assert registry.tags(repository) == []


def test_an_image_of_no_layers_can_be_pushed(registry: Registry, pusher: Pusher) -> None:
    packed, repository = packed_of(), registry.new_repository()
    push(packed, pusher.destination(registry.host, repository, tags=("empty",)))
    assert registry.digest(repository, "empty") == packed.descriptor.digest


def test_pushers_of_one_tag_do_not_disturb_each_other(registry: Registry) -> None:
    repository = registry.new_repository()
    images = [random_packed(20 + number) for number in range(4)]

    def one(packed: Packed) -> None:
        with ExitStack() as stack:
            push(packed, Pusher(stack).destination(registry.host, repository, tags=("latest",)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, images))
    assert registry.digest(repository, "latest") in {packed.descriptor.digest for packed in images}


def test_what_is_there_is_known_by_the_tag_that_led_to_it(
    proxy: FaultProxy, registry: Registry, pusher: Pusher
) -> None:
    """Also the images of an index; and it costs the requests that reading an image takes, a manifest and a config each."""
    repository, images = registry.new_repository(), [random_packed(seed) for seed in (61, 62, 63)]
    push(images[0], pusher.destination(registry.host, repository, tags=("one",)))
    for image in images[1:]:
        push(image, pusher.destination(registry.host, repository))
    index = seal_index([image.descriptor for image in images[1:]])
    pusher.destination(registry.host, repository, tags=("two",)).prepare_index(index).finish()
    destination = RegistryDestination(
        pusher.client(proxy.host, repository),
        tags=("one", "two", "new"),
        reuse=Reuse(),
        emit=pusher.events.append,
    )
    found = destination.existing()
    name = f"{proxy.host}/{repository}"
    assert [image.reference for image in found] == [f"{name}:one", f"{name}:two", f"{name}:two"]
    assert [image.config_descriptor for image in found] == [image.config_descriptor for image in images]
    assert {str(image.platform) for image in found} == {"linux/amd64"}
    assert len(proxy.requests) == len(proxy.of("GET")) == 9, (
        "the root, five manifests of which one is missing, and three configs"
    )


def test_an_index_of_images_that_are_there(registry: Registry, pusher: Pusher) -> None:
    """Their bytes are on another machine: the index needs their descriptors alone."""
    repository, images = registry.new_repository(), [random_packed(seed) for seed in (51, 52)]
    for image in images:
        push(image, pusher.destination(registry.host, repository))
    index = seal_index([image.descriptor for image in images])
    destination = pusher.destination(registry.host, repository, tags=("both",))
    published = destination.prepare_index(index).finish()
    assert published.tags == (f"{registry.host}/{repository}:both",)
    assert registry.digest(repository, "both") == index.descriptor.digest
