"""Loading into a real engine: what arrives, which layers are not sent again, and how a broken engine is told of."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flakeship.destinations.docker_daemon.destination import EngineDestination
from flakeship.destinations.image_name import ImageName
from flakeship.destinations.protocol import BlobsUnknownError, Published
from flakeship.engines.engine import Engine, docker_engine, podman_service
from flakeship.errors import NotAllowedError, UnreachableError
from flakeship.image.model import Packed
from tests.images import layer_as_we_pack, packed_of, random_layer
from tests.testbed.docker import Docker

NAME = ImageName("flakeship-test/load:1", full="docker.io/flakeship-test/load:1")


@pytest.fixture
def engine(dockerd: Docker) -> Iterator[Engine]:
    before = images(dockerd)
    yield docker_engine(dockerd.environ, Path.home())
    for image in images(dockerd) - before:
        dockerd("image", "rm", "--force", image)


def images(dockerd: Docker) -> set[str]:
    return set(dockerd("image", "ls", "--all", "--quiet", "--no-trunc").split())


def load(engine: Engine, packed: Packed, *names: ImageName) -> Published:
    with EngineDestination(engine, names or (NAME,)) as destination:
        destination.check()
        for layer in packed.layers:
            destination.take(layer)
        return destination.prepare(packed).finish()


def states(published: Published) -> list[str]:
    return [blob.state for blob in published.blobs[:-1]]


def layers(dockerd: Docker, name: str) -> list[str]:
    found: list[str] = json.loads(dockerd("image", "inspect", "--format", "{{json .RootFS.Layers}}", name))
    return found


def test_an_image_is_loaded_with_its_id_and_names(engine: Engine, dockerd: Docker) -> None:
    packed = packed_of(random_layer(101), layer_as_we_pack(102), random_layer(101))
    other = ImageName.of("flakeship-test/load:2")
    published = load(engine, packed, NAME, other)
    assert published.reference == "docker-daemon:flakeship-test/load:1"
    assert states(published) == ["written"] * 3
    for name in (NAME, other):
        found = dockerd("image", "inspect", "--format", "{{.Id}}", name.text).strip()
        assert found == packed.config_descriptor.digest
    assert layers(dockerd, NAME.text) == [layer.diff_id for layer in packed.layers]


def test_layers_that_the_engine_has_are_not_sent(engine: Engine, dockerd: Docker) -> None:
    base = [random_layer(seed) for seed in (111, 112)]
    load(engine, packed_of(*base, random_layer(113)))
    changed = packed_of(*base, random_layer(114))
    assert states(load(engine, changed)) == ["reused", "reused", "written"]
    assert layers(dockerd, NAME.text) == [layer.diff_id for layer in changed.layers]
    assert states(load(engine, changed)) == ["reused"] * 3


def test_a_layer_above_one_that_changed_is_sent_for_the_engine_knows_it_by_what_is_below(
    engine: Engine, dockerd: Docker
) -> None:
    top = random_layer(121)
    load(engine, packed_of(random_layer(122), top))
    moved = packed_of(random_layer(123), top)
    assert states(load(engine, moved)) == ["written", "written"]
    assert layers(dockerd, NAME.text) == [layer.diff_id for layer in moved.layers]


def test_what_the_engine_lost_meanwhile_is_sent_in_full(engine: Engine, dockerd: Docker) -> None:
    packed = packed_of(random_layer(131), random_layer(132))
    load(engine, packed)
    with EngineDestination(engine, (NAME,)) as destination:
        destination.check()
        assert [destination.take(layer).state for layer in packed.layers] == ["reused", "reused"]
        dockerd("image", "rm", "--force", NAME.text)
        assert states(destination.prepare(packed).finish()) == ["written", "written"]
    assert layers(dockerd, NAME.text)


def test_an_engine_that_forgets_at_the_last_moment_is_given_everything_again(
    engine: Engine, dockerd: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = packed_of(random_layer(141), random_layer(142))
    load(engine, packed)
    with EngineDestination(engine, (NAME,)) as destination:
        destination.check()
        remembered = list(destination._api.images())
        dockerd("image", "rm", "--force", NAME.text)
        # the moment between its answer and the load can't be hit from outside
        monkeypatch.setattr(destination._api, "images", lambda: remembered)
        for layer in packed.layers:
            destination.take(layer)
        with pytest.raises(BlobsUnknownError) as caught:
            destination.prepare(packed).finish()
        assert caught.value.digests == {layer.descriptor.digest for layer in packed.layers}
        for layer in packed.layers:
            destination.take(layer, certain=False)
        assert states(destination.prepare(packed).finish()) == ["written", "written"]
    assert layers(dockerd, NAME.text)


def test_an_image_that_was_begun_and_left_is_not_there(engine: Engine, dockerd: Docker) -> None:
    before = images(dockerd)
    threads = set(threading.enumerate())
    with EngineDestination(engine, (NAME,)) as destination:
        destination.check()
        destination.take(random_layer(151, size=3_000_000))
    assert images(dockerd) == before
    patience = (
        time.monotonic() + 60
    )  # it is left half a second after it was told, whether the engine has heard or not
    while (left := set(threading.enumerate()) - threads) and time.monotonic() < patience:
        time.sleep(0.01)
    assert not left


def test_an_image_that_the_engine_refuses_is_an_error_with_its_words(engine: Engine) -> None:
    layer = random_layer(161)
    lying = packed_of(replace(layer, diff_id=random_layer(162).diff_id))
    with pytest.raises(UnreachableError) as caught:
        load(engine, lying)
    assert "docker-daemon refused the image: invalid diffID" in caught.value.message
    assert "log" in caught.value.hint


def test_a_layer_that_is_nowhere_here_is_asked_for(engine: Engine) -> None:
    packed = packed_of(random_layer(171))
    with EngineDestination(engine, (NAME,)) as destination:
        destination.check()
        with pytest.raises(BlobsUnknownError):
            destination.take(replace(packed.layers[0], open=None))


def test_the_engine_of_dockers_context_answers(engine: Engine, dockerd: Docker, tmp_path: Path) -> None:
    """By docker's own command the context is made and chosen."""
    environ = {**dockerd.environ, "DOCKER_CONFIG": str(tmp_path)}
    environ.pop("DOCKER_HOST", None)
    docker = ["docker", "context"]
    created = [*docker, "create", "mine", "--docker", f"host={engine.address}"]
    for command in (created, [*docker, "use", "mine"]):
        subprocess.run(command, env=environ, check=True, capture_output=True)
    chosen = docker_engine(environ, Path("/nonexistent"))
    assert (chosen.address, "'mine'" in chosen.remark) == (engine.address, True)
    with EngineDestination(chosen) as destination:
        destination.check()


def test_a_daemon_that_is_not_there_is_told_of_with_its_address(tmp_path: Path) -> None:
    absent = docker_engine({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}, tmp_path)
    with pytest.raises(UnreachableError) as caught, EngineDestination(absent) as destination:
        destination.check()
    assert caught.value.message == (
        f"docker-daemon does not answer at unix://{tmp_path}/docker.sock: No such file or directory"
    )
    assert "DOCKER_HOST" in caught.value.hint


def test_a_socket_without_a_daemon_and_an_address_that_is_none(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(tmp_path / "docker.sock"))
    stale = docker_engine({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}, tmp_path)
    with pytest.raises(UnreachableError, match="Connection refused"), EngineDestination(stale) as destination:
        destination.check()
    odd = docker_engine({"DOCKER_HOST": "ftp://x"}, tmp_path)
    with pytest.raises(UnreachableError, match="ftp"), EngineDestination(odd) as destination:
        destination.check()


def test_a_socket_that_this_user_may_not_open_is_a_matter_of_rights(mocker: Any, tmp_path: Path) -> None:
    # root, who runs these tests in CI, may open any
    refused = PermissionError(13, "Permission denied")
    mocker.patch("flakeship.engines.api.check_socket", side_effect=refused)
    with pytest.raises(NotAllowedError) as caught, EngineDestination(docker_engine({}, tmp_path)) as there:
        there.check()
    assert "group" in caught.value.hint


def test_an_engine_that_dies_in_the_middle_ends_the_run(mocker: Any) -> None:
    api = mocker.Mock()
    api.version.return_value, api.info.return_value, api.images.return_value = {}, {}, []
    api.load_image.side_effect = ConnectionResetError(104, "Connection reset by peer")
    mocker.patch("docker.APIClient", return_value=api)
    big = packed_of(random_layer(181, size=5_000_000))
    with pytest.raises(UnreachableError, match="Connection reset by peer"):
        load(Engine("docker-daemon", "tcp://127.0.0.1:1", "start it", {}), big)


def test_the_sockets_of_rootless_engines_are_found(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "podman").mkdir(parents=True)
    assert podman_service({"XDG_RUNTIME_DIR": str(run)}) is None or os.access(
        "/run/podman/podman.sock", os.W_OK
    )
    (run / "podman/podman.sock").touch()
    found = podman_service({"XDG_RUNTIME_DIR": str(run)})
    assert found
    assert found.address == f"unix://{run}/podman/podman.sock"
    (run / "docker.sock").touch()
    expected = "/var/run/docker.sock" if os.access("/var/run/docker.sock", os.W_OK) else f"{run}/docker.sock"
    assert docker_engine({"XDG_RUNTIME_DIR": str(run)}, tmp_path).address == f"unix://{expected}"


def test_a_broken_blob_does_not_hang_the_engine(engine: Engine) -> None:
    layer = replace(random_layer(191), open=lambda: io.BytesIO(b"short"))
    with pytest.raises(Exception, match="changed while it was written"):
        load(engine, packed_of(layer))
