"""Where `flakeship publish` finds credentials without being given any, each place against a registry that asks for them."""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.testbed.command import Publish
from tests.testbed.docker import Docker
from tests.testbed.nix import MakeFlake
from tests.testbed.podman import Podman
from tests.testbed.registry import PASSWORD, USERNAME, FaultProxy, Registry

pytestmark = pytest.mark.slow


def auths(host: str, password: str = PASSWORD) -> str:
    entry = base64.b64encode(f"{USERNAME}:{password}".encode()).decode()
    return json.dumps({"auths": {host: {"auth": entry}}})


def written(path: Path, text: str, *, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def place(name: str, folder: Path, host: str) -> Mapping[str, str]:
    """Put credentials there; the environment that leads to them."""
    match name:
        case "docker login":
            written(folder / ".docker/config.json", auths(host))
            return {}
        case "DOCKER_CONFIG":
            written(folder / "docker/config.json", auths(host))
            return {"DOCKER_CONFIG": str(folder / "docker")}
        case "podman login":
            written(folder / "run/containers/auth.json", auths(host))
            return {"XDG_RUNTIME_DIR": str(folder / "run")}
        case "REGISTRY_AUTH_FILE":
            return {"REGISTRY_AUTH_FILE": str(written(folder / "auth.json", auths(host)))}
        case "authfile":
            return {"FLAKESHIP_AUTHFILE": str(written(folder / "auth.json", auths(host)))}
        case "DOCKER_AUTH_CONFIG":
            return {"DOCKER_AUTH_CONFIG": auths(host)}
        case "docker before 1.7":
            entry = json.loads(auths(host))["auths"]
            written(folder / ".dockercfg", json.dumps(entry))
            return {}
        case "wrapped Base64 in keys of any case":
            entry = json.loads(auths(host))["auths"][host]["auth"]
            wrapped = {
                "Auths": {host: {"AUTH": f"{entry[:9]}\r\n{entry[9:]}\n"}, "other.test": {"auth": "%"}}
            }
            written(folder / ".docker/config.json", json.dumps(wrapped))
            return {}
        case "GitLab":
            return {"CI_REGISTRY": host, "CI_REGISTRY_USER": USERNAME, "CI_REGISTRY_PASSWORD": PASSWORD}
        case "a helper":
            told = json.dumps({"ServerURL": host, "Username": USERNAME, "Secret": PASSWORD})
            script = f"#!/bin/sh\nread -r server; [ \"$1 $server\" = 'get {host}' ] && echo '{told}'\n"
            written(folder / "bin/docker-credential-test.exe", script, mode=0o755)
            written(folder / ".docker/config.json", json.dumps({"credHelpers": {host: "test.exe"}}))
            return {"PATH": f"{folder}/bin:/usr/bin:/bin"}
        case _:
            raise ValueError(name)


@pytest.mark.parametrize(
    "name",
    [
        "docker login",
        "DOCKER_CONFIG",
        "podman login",
        "REGISTRY_AUTH_FILE",
        "authfile",
        "DOCKER_AUTH_CONFIG",
        "docker before 1.7",
        "wrapped Base64 in keys of any case",
        "GitLab",
        "a helper",
    ],
)
def test_each_place(
    name: str, publish: Publish, archive: Path, basic_registry: Registry, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environ = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), **place(name, home, basic_registry.host)}
    repository = basic_registry.new_repository()
    flags = ("--source", str(archive), "--tags", f"{basic_registry.host}/{repository}:1", "--push")
    ended = publish(*flags, "--log-level", "debug", **environ)
    assert ended.code == 0, ended.stderr
    assert basic_registry.tags(repository) == ["1"]
    assert PASSWORD not in ended.stdout + ended.stderr


def check_login(publish: Publish, archive: Path, registry: Registry, **environ: str) -> None:
    """What a login has left is all that a push needs."""
    repository = registry.new_repository()
    flags = ("--source", str(archive), "--tags", f"{registry.host}/{repository}:1", "--push")
    ended = publish(*flags, **environ)
    assert ended.code == 0, ended.stderr
    assert registry.tags(repository) == ["1"]


def test_what_docker_login_leaves(
    dockerd: Docker, publish: Publish, archive: Path, basic_registry: Registry, tmp_path: Path
) -> None:
    docker = dataclasses.replace(dockerd, config=tmp_path / "docker")
    docker("login", "--username", USERNAME, "--password-stdin", basic_registry.host, stdin=PASSWORD.encode())
    check_login(publish, archive, basic_registry, DOCKER_CONFIG=str(docker.config))


def test_what_podman_login_leaves(
    podman: Podman, publish: Publish, archive: Path, basic_registry: Registry
) -> None:
    flags = ("--tls-verify=false", "--username", USERNAME, "--password", PASSWORD)
    podman("login", *flags, basic_registry.host)
    runtime = podman.environ["XDG_RUNTIME_DIR"]
    check_login(publish, archive, basic_registry, XDG_RUNTIME_DIR=runtime)


def test_what_skopeo_login_leaves(
    publish: Publish, archive: Path, basic_registry: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "auth.json"
    flags = ("--tls-verify=false", "--authfile", file, "--username", USERNAME, "--password", PASSWORD)
    subprocess.run(["skopeo", "login", *flags, basic_registry.host], capture_output=True, check=True)
    check_login(publish, archive, basic_registry, REGISTRY_AUTH_FILE=str(file))


def test_the_inputs_beat_a_login_that_is_stale(
    publish: Publish, archive: Path, basic_registry: Registry, tmp_path: Path
) -> None:
    written(tmp_path / "docker/config.json", auths(basic_registry.host, "stale-canary"))
    repository = basic_registry.new_repository()
    flags = ("--source", str(archive), "--tags", f"{basic_registry.host}/{repository}:1", "--push")
    environ = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    stale = publish(*flags, **environ)
    assert stale.code == 5
    assert "docker/config.json" in stale.stderr
    assert "stale-canary" not in stale.stderr
    fresh = publish(*flags, "--username", USERNAME, FLAKESHIP_PASSWORD=PASSWORD, **environ)
    assert fresh.code == 0, fresh.stderr


def test_what_cannot_be_sent_is_refused_before_the_registry_is_asked(
    publish: Publish, archive: Path, tmp_path: Path
) -> None:
    host = "127.0.0.1:1"
    entry = {"registrytoken": "canary-ключ\n"}
    written(tmp_path / "docker/config.json", json.dumps({"auths": {host: entry}}))
    flags = ("--source", str(archive), "--tags", f"{host}/a:1")
    ended = publish(*flags, DOCKER_CONFIG=str(tmp_path / "docker"))
    assert ended.code == 2, ended.stderr
    assert f"the credentials for {host} from {tmp_path}/docker/config.json can't be sent" in ended.stderr
    assert "canary" not in ended.stderr


def test_the_token_of_a_job_on_github_goes_to_ghcr_alone(
    publish: Publish, archive: Path, basic_registry: Registry
) -> None:
    repository = basic_registry.new_repository()
    flags = ("--source", str(archive), "--tags", f"{basic_registry.host}/{repository}:1", "--push")
    ended = publish(*flags, FLAKESHIP_GITHUB_TOKEN=PASSWORD, GITHUB_TOKEN=PASSWORD, GITHUB_ACTOR=USERNAME)
    assert ended.code == 5
    assert "none were found" in ended.stderr
    assert not basic_registry.tags(repository)


LOGIN = {"FLAKESHIP_USERNAME": USERNAME, "FLAKESHIP_PASSWORD": PASSWORD}


def test_a_password_without_a_registry_is_for_the_one_registry_of_a_run(
    publish: Publish, make_flake: MakeFlake, basic_registry: Registry, registry: Registry
) -> None:
    """Of several attributes each may go to another registry: whose password it is can't be told then."""
    folder = make_flake()
    one, other = f"{basic_registry.host}/{basic_registry.new_repository()}:1", f"{registry.host}/x/b:1"
    before = len(basic_registry.accesses()), len(registry.accesses())
    flags = ("--flake", "a=.#hello", "--flake", "b=.#hello", "--tags", f"a={one}", "--tags", f"b={other}")
    ended = publish(*flags, cwd=folder, **LOGIN)
    assert (ended.code, ended.stdout) == (2, "")
    assert "but not for which of" in ended.stderr
    assert (len(basic_registry.accesses()), len(registry.accesses())) == before


def test_a_password_is_not_for_a_base_image_beside_an_image_that_is_pushed(
    publish: Publish, make_flake: MakeFlake, basic_registry: Registry, proxy: FaultProxy
) -> None:
    one = f"{basic_registry.host}/{basic_registry.new_repository()}:1"
    flags = ("--flake", "a=.#hello", "--flake", "b=.#hello", "--to", "a=oci:a", "--tags", f"b={one}")
    ended = publish(*flags, "--base-image", f"docker://{proxy.host}/base:1", cwd=make_flake(), **LOGIN)
    assert ended.code != 0, "there is no such base image"
    assert proxy.requests, "it was asked for"
    assert not [request for request in proxy.requests if "Authorization" in request.headers]


@pytest.mark.parametrize(
    "named", ["/owner", "https:///x", "//", "https://", "$CI_REGISTRY", "${{ vars.HOST }}", "a b"]
)
def test_a_registry_without_a_host_is_no_registry(publish: Publish, archive: Path, named: str) -> None:
    """`${HOST}/owner` where HOST is not set would be every registry, and a variable that was not filled in none: its password
    would be left aside without a word.
    """
    ended = publish("--source", str(archive), "--tags", "127.0.0.1:1/a:1", "--registry", named, **LOGIN)
    assert (ended.code, ended.stdout) == (2, "")
    assert "names no host" in ended.stderr
