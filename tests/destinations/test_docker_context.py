"""The engine that docker's own command would speak to: by DOCKER_HOST, by its context, by its socket."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flakeship.engines.api import EngineApi
from flakeship.engines.engine import docker_engine, podman_service
from flakeship.errors import UsageError


def context(folder: Path, name: str, address: str = "unix:///there.sock", **endpoint: Any) -> Path:
    """Write what `docker context create` writes, and return its file."""
    file = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    file.parent.mkdir(parents=True)
    file.write_text(
        json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": address, **endpoint}}})
    )
    return file


def choose(folder: Path, document: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))


@pytest.mark.parametrize("key", ["currentContext", "CurrentContext"])
def test_the_current_context_is_followed(key: str, tmp_path: Path) -> None:
    """https://github.com/abiosoft/colima/issues/266."""
    folder = tmp_path / ".docker"
    context(folder, "rootless", f"unix://{tmp_path}/mine.sock")
    choose(folder, {key: "rootless", "auths": {}})
    for environ, home in (({}, tmp_path), ({"DOCKER_CONFIG": str(folder)}, Path("/nonexistent"))):
        engine = docker_engine(environ, home)
        assert engine.address == f"unix://{tmp_path}/mine.sock"
        assert "docker's context 'rootless'" in engine.hint
        assert "docker's context 'rootless'" in engine.remark


@pytest.mark.slow
def test_a_context_that_docker_wrote_is_followed(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")}
    address = f"unix://{tmp_path}/mine.sock"
    for words in (("create", "mine", "--docker", f"host={address}"), ("use", "mine")):
        subprocess.run(["docker", "context", *words], env=environ, capture_output=True, check=True)
    engine = docker_engine(environ, tmp_path)
    assert engine.address == address
    assert "docker's context 'mine'" in engine.remark


def test_what_is_named_more_directly_wins(tmp_path: Path) -> None:
    folder = tmp_path / ".docker"
    context(folder, "one", "unix:///one.sock")
    context(folder, "two", "unix:///two.sock")
    choose(folder, {"currentContext": "one"})
    assert docker_engine({"DOCKER_CONTEXT": "two"}, tmp_path).address == "unix:///two.sock"
    direct = docker_engine({"DOCKER_CONTEXT": "two", "DOCKER_HOST": "unix:///three.sock"}, tmp_path)
    assert (direct.address, direct.remark) == ("unix:///three.sock", "")
    assert docker_engine({"DOCKER_CONTEXT": "default"}, tmp_path).remark == ""
    assert (
        docker_engine({"DOCKER_HOST": "unix:///three.sock", "DOCKER_CONTEXT": "gone"}, tmp_path).remark == ""
    )


@pytest.mark.parametrize(
    "document",
    [{}, {"currentContext": "default"}, {"currentContext": None}, "{", "[]", "", {"currentContext": 7}],
)
def test_without_a_context_the_first_socket_counts(document: Any, tmp_path: Path) -> None:
    choose(tmp_path / ".docker", document)
    run = tmp_path / "run"
    run.mkdir()
    (run / "docker.sock").touch()
    expected = "/var/run/docker.sock" if os.access("/var/run/docker.sock", os.W_OK) else f"{run}/docker.sock"
    engine = docker_engine({"XDG_RUNTIME_DIR": str(run)}, tmp_path)
    assert (engine.address, engine.remark) == (f"unix://{expected}", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "does not exist"),
        ("{", "names no engine"),
        ('{"Endpoints": {}}', "names no engine"),
        ('{"Endpoints": {"docker": {"Host": ["x"]}}}', "names no engine"),
        ("[" * 100_000, "names no engine"),
    ],
    ids=["gone", "damaged", "empty", "of another type", "deep"],
)
def test_a_context_that_leads_nowhere_is_no_other_engine(text: str | None, why: str, tmp_path: Path) -> None:
    folder = tmp_path / ".docker"
    context(folder, "other")
    choose(folder, {"currentContext": "mine"})
    if text is not None:
        context(folder, "mine").write_text(text)
    with pytest.raises(UsageError, match=f"docker's context 'mine' {why}") as raised:
        docker_engine({}, tmp_path)
    assert "docker context use" in raised.value.hint


def test_a_config_that_was_brought_for_its_credentials_is_told_of(tmp_path: Path) -> None:
    choose(tmp_path / ".docker", {"currentContext": "desktop-linux", "auths": {}})
    engine = docker_engine({}, tmp_path)
    assert engine.address.startswith("unix:///")
    assert "docker's current context is 'desktop-linux'" in engine.remark
    with pytest.raises(UsageError, match="docker's context 'desktop-linux' does not exist"):
        docker_engine({"DOCKER_CONTEXT": "desktop-linux"}, tmp_path)


@pytest.mark.parametrize("careless", [False, True])
def test_the_certificates_of_a_context_are_used(careless: bool, tmp_path: Path) -> None:
    folder = tmp_path / ".docker"
    file = context(folder, "far", "tcp://127.0.0.1:2376", SkipTLSVerify=careless)
    choose(folder, {"currentContext": "far"})
    assert docker_engine({"DOCKER_CERT_PATH": "/other"}, tmp_path).environ == {}
    tls = folder / "contexts/tls" / file.parent.name / "docker"
    tls.mkdir(parents=True)
    expected = {"DOCKER_CERT_PATH": str(tls), "DOCKER_TLS_VERIFY": "" if careless else "1"}
    assert docker_engine({}, tmp_path).environ == expected


def test_an_engine_behind_ssh_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    folder = tmp_path / ".docker"
    context(folder, "far", "ssh://me@far.test")
    choose(folder, {"currentContext": "far"})
    for environ in ({}, {"DOCKER_HOST": "ssh://me:canary@far.test:22"}):
        with pytest.raises(UsageError, match=r"the engine is at ssh://far\.test") as raised:
            docker_engine(environ, tmp_path)
        assert "docker load" in raised.value.hint
        assert "canary" not in raised.value.message


def test_podman_behind_ssh_is_left_to_its_own_command(tmp_path: Path) -> None:
    assert podman_service({"CONTAINER_CONNECTION": "far", "XDG_RUNTIME_DIR": str(tmp_path)}) is None
    assert (
        podman_service(
            {"CONTAINER_HOST": "ssh://core@far.test/run/podman.sock", "XDG_RUNTIME_DIR": str(tmp_path)}
        )
        is None
    )


@pytest.mark.parametrize("address", ["tcp://[::1", "tcp://h:99999", "tcp://h:abc"])
@pytest.mark.parametrize("place", ["DOCKER_HOST", "context"])
def test_an_address_that_is_none_is_a_wrong_input(address: str, place: str, tmp_path: Path) -> None:
    folder, environ = tmp_path / ".docker", {"DOCKER_HOST": address} if place == "DOCKER_HOST" else {}
    context(folder, "odd", address)
    choose(folder, {"currentContext": "odd"})
    with pytest.raises(UsageError) as caught:
        EngineApi(docker_engine(environ, tmp_path))
    assert address in caught.value.message
    assert "DOCKER_HOST" in caught.value.hint


def test_a_context_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = tmp_path / ".docker"
    context(folder, "other", "unix:///other.sock")
    choose(folder, '{"currentContext": "\\ud800"}')
    with pytest.raises(UsageError, match="does not exist"):
        docker_engine({}, tmp_path)
