"""A whole image goes to a real registry, by each way of logging in, and is read there by a tool that is not ours."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.images import digests, random_packed
from tests.sinks.pushing import Pusher, push
from tests.testbed.registry import Registry

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
