"""Loading into podman's storage, by its command and by its service."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from flakeship.destinations.image_name import ImageName
from flakeship.destinations.podman.destination import PodmanDestination
from flakeship.destinations.protocol import Published
from flakeship.engines.engine import Engine, podman_service
from flakeship.errors import UnreachableError
from flakeship.image.model import Packed
from tests.images import layer_as_we_pack, packed_of, random_layer, random_packed
from tests.testbed.podman import Podman

NAME = ImageName.of("localhost/load:1")


def load(podman: Podman, packed: Packed, service: Engine | None, temporary: Path) -> Published:
    temporary.mkdir()
    destination = PodmanDestination(service, (NAME,), environ=podman.environ, temporary=lambda: temporary)
    with destination:
        destination.check()
        for layer in packed.layers:
            destination.take(layer)
        published = destination.prepare(packed).finish()
    assert not list(temporary.iterdir())
    return published


def check(podman: Podman, packed: Packed) -> None:
    (found,) = json.loads(podman("image", "inspect", NAME.text))
    assert f"sha256:{found['Id']}" == packed.config_descriptor.digest
    assert found["RootFS"]["Layers"] == [layer.diff_id for layer in packed.layers]


@pytest.mark.slow
def test_the_command_takes_an_image(podman: Podman, tmp_path: Path) -> None:
    packed = packed_of(random_layer(1), layer_as_we_pack(2), random_layer(1))
    published = load(podman, packed, None, tmp_path / "temporary")
    assert published.reference == "containers-storage:localhost/load:1"
    check(podman, packed)


@pytest.mark.slow
def test_the_service_takes_an_image(podman_service: Podman, tmp_path: Path) -> None:
    packed = random_packed(2)
    service = Engine("containers-storage", f"unix://{podman_service.socket}", "", {})
    load(podman_service, packed, service, tmp_path / "temporary")
    check(podman_service, packed)
    load(podman_service, packed, service, tmp_path / "again")


@pytest.mark.slow
def test_a_socket_without_its_service_falls_back_to_the_command(podman: Podman, tmp_path: Path) -> None:
    podman.socket.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(podman.socket))
    packed = random_packed(3)
    load(podman, packed, podman_service(podman.environ), tmp_path / "temporary")
    check(podman, packed)


def test_without_podman_it_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(UnreachableError, match="podman was not found") as caught,
        PodmanDestination(None, environ={"PATH": str(tmp_path)}, temporary=lambda: tmp_path) as destination,
    ):
        destination.check()
    assert "CONTAINER_HOST" in caught.value.hint
    assert "in a container, mount its socket" in caught.value.hint
    dead = Engine("containers-storage", f"unix://{tmp_path}/x.sock", "start podman's service", {})
    with (
        pytest.raises(UnreachableError, match="No such file") as stale,
        PodmanDestination(dead, environ={"PATH": str(tmp_path)}, temporary=lambda: tmp_path) as destination,
    ):
        destination.check()
    assert "podman" in stale.value.hint


def test_what_podman_says_is_handed_on(tmp_path: Path) -> None:
    # stands in for a podman whose storage is broken
    command = tmp_path / "podman"
    command.write_text("#!/bin/sh\necho 'Error: no space left in storage' >&2\nexit 125\n")
    command.chmod(0o755)
    podman = Podman({"PATH": str(tmp_path)}, tmp_path / "none")
    with pytest.raises(UnreachableError, match="exit code 125") as caught:
        load(podman, random_packed(4), None, tmp_path / "temporary")
    assert "no space left in storage" in caught.value.detail
    assert "podman info" in caught.value.hint
