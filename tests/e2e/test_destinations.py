"""Every destination of this machine in one run of the command, and what runs from there; several attributes at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.testbed import archives
from tests.testbed.docker import Docker
from tests.testbed.podman import Podman
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

Run: TypeAlias = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def run(tmp_path: Path, nix_environ: Mapping[str, str]) -> Run:
    """Run `flakeship publish` with these flags in tmp_path; further variables as keywords."""

    def publish(*flags: str, cwd: Path = tmp_path, **environ: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "flakeship", "publish", *flags],
            cwd=cwd,
            env={**nix_environ, **environ},
            capture_output=True,
            check=False,
        )

    return publish


@pytest.fixture
def archive(tmp_path: Path) -> str:
    archives.write_all(tmp_path / "archives")
    return str(tmp_path / "archives/layered.tar")


def remove(dockerd: Docker, *names: str) -> None:
    for name in names:
        dockerd.run("image", "rm", "--force", name)


def test_docker_runs_what_was_loaded_with_its_overrides(run: Run, archive: str, dockerd: Docker) -> None:
    name = "flakeship-test/destinations:1"
    try:
        done = run(
            *("--source", archive, "--to", f"docker-daemon:{name}"),
            *("--entrypoint", '["/bin/hello"]', "--cmd", "[]", "--env", "GREETING=hi", "--user", "1000:1000"),
            *("--workdir", "/etc", "--expose", "8080", "--stop-signal", "SIGINT", "--annotations", "a=b"),
            DOCKER_HOST=dockerd.host,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.decode() == f"docker-daemon:{name}\n"
        keeps_manifests = "containerd" in dockerd("info", "--format", "{{.DriverStatus}}")
        assert (b"annotations are lost at docker-daemon" in done.stderr) != keeps_manifests
        assert dockerd("run", "--rm", "--network", "none", name) == "Hello, world!\n"
        (found,) = json.loads(dockerd("image", "inspect", name))
        config = found["Config"]
        assert config["Env"] == ["GREETING=hi"]
        assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("1000:1000", "/etc", "SIGINT")
        assert config["ExposedPorts"] == {"8080/tcp": {}}
    finally:
        remove(dockerd, name)


def test_load_uses_the_names_of_the_tags_and_pushes_the_same_image(
    run: Run, archive: str, dockerd: Docker, registry: Registry
) -> None:
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    try:
        done = run("--source", archive, "--tags", name, "--load", "docker", DOCKER_HOST=dockerd.host)
        assert done.returncode == 0, done.stderr.decode()
        manifest = registry.manifest(repository, "1")
        assert manifest
        assert (
            dockerd("image", "inspect", "--format", "{{.Id}}", name).strip() == manifest["config"]["digest"]
        )
    finally:
        remove(dockerd, name)


def test_docker_and_podman_load_the_same_archive_whatever_its_compression(
    run: Run, archive: str, dockerd: Docker, podman: Podman, tmp_path: Path
) -> None:
    for compression in ("gzip", "none"):
        name = f"flakeship-test/{compression}:1"
        try:
            done = run(
                *("--source", archive, "--to", f"docker-archive:image.tar:{name}"),
                *("--compression", compression),
            )
            assert done.returncode == 0, done.stderr.decode()
            dockerd("load", "--input", str(tmp_path / "image.tar"))
            assert dockerd("run", "--rm", "--network", "none", name) == "Hello, world!\n"
        finally:
            remove(dockerd, name)
        podman("load", "--input", str(tmp_path / "image.tar"))
        (found,) = json.loads(podman("image", "inspect", name))
        assert found["RootFS"]["Layers"] == [f"sha256:{digest}" for digest in archives.DIFF_IDS]


def test_an_archive_on_stdout_is_followed_by_nothing(run: Run, archive: str, dockerd: Docker) -> None:
    done = run(
        "--source",
        archive,
        "--to",
        "-",
        "--tags",
        "type=raw,value=1",
        "--images",
        "localhost:1/x/y",
        "--push",
        "false",
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"\n-\n" in done.stderr
    try:
        assert "localhost:1/x/y:1" in dockerd("load", stdin=done.stdout)
    finally:
        remove(dockerd, "localhost:1/x/y:1")


def test_podman_has_what_was_loaded(run: Run, archive: str, podman: Podman) -> None:
    done = run("--source", archive, "--to", "containers-storage:localhost/shapes:2", **podman.environ)
    assert done.returncode == 0, done.stderr.decode()
    (found,) = json.loads(podman("image", "inspect", "localhost/shapes:2"))
    assert found["RootFS"]["Layers"] == [f"sha256:{digest}" for digest in archives.DIFF_IDS]


def test_an_engine_that_is_not_there_is_known_before_anything_is_built(
    run: Run, make_flake: Callable[..., Path], tmp_path: Path
) -> None:
    done = run(
        "--flake", ".#fails", "--load", "docker", cwd=make_flake(), DOCKER_HOST=f"unix://{tmp_path}/none.sock"
    )
    assert done.returncode == 6
    assert b"docker-daemon does not answer" in done.stderr
    assert b"building" not in done.stderr


def test_lint_strict_writes_no_tag(run: Run, archive: str, registry: Registry) -> None:
    repository = registry.new_repository()
    flags = ("--source", archive, "--tags", f"{registry.host}/{repository}:1")
    done = run(*flags, "--lint", "strict")
    assert done.returncode == 7
    assert b"lint rejects the image: tmp" in done.stderr
    assert not registry.tags(repository)
    assert run(*flags, "--lint", "off").returncode == 0
    assert registry.tags(repository) == ["1"]


def test_several_attributes_are_several_images(
    run: Run, make_flake: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    folder, one, two = make_flake(), registry.new_repository(), registry.new_repository()
    outputs = tmp_path / "outputs"
    outputs.touch()
    done = run(
        *("--flake", "api=.#layered", "--flake", "web=.#stream", "--tags", "1.0"),
        *("--images", f"api={registry.host}/{one}", "--images", f"web={registry.host}/{two}"),
        *("--metadata-file", "meta.json"),
        cwd=folder,
        GITHUB_OUTPUT=str(outputs),
        GITHUB_ACTIONS="true",
    )
    assert done.returncode == 0, done.stderr.decode()
    digests = {"api": registry.digest(one, "1.0"), "web": registry.digest(two, "1.0")}
    assert done.stdout.decode().split() == [
        f"{registry.host}/{one}@{digests['api']}",
        f"{registry.host}/{two}@{digests['web']}",
    ]
    metadata = json.loads((folder / "meta.json").read_text())
    assert {name: each["containerimage.digest"] for name, each in metadata.items()} == digests
    assert f"{digests['api']}\n{digests['web']}\n" in outputs.read_text()


def test_several_attributes_are_told_apart_in_a_layout(run: Run, make_flake: Callable[..., Path]) -> None:
    """Both call themselves registry.example/shapes:1.0."""
    folder = make_flake()
    done = run("--flake", "api=.#layered", "--flake", "web=.#stream", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    layout = f"oci:{folder}/flakeship-image"
    assert done.stdout.decode().split() == [f"{layout}:api", f"{layout}:web"]


def test_the_name_of_a_projects_image_is_not_that_of_two(run: Run, make_flake: Callable[..., Path]) -> None:
    gitlab = {
        "GITLAB_CI": "true",
        "CI_REGISTRY_IMAGE": "127.0.0.1:9/group/project",
        "CI_COMMIT_SHA": "0" * 40,
    }
    done = run("--flake", ".#layered", "--flake", ".#stream", cwd=make_flake(), **gitlab)
    assert done.returncode == 2, done.stderr.decode()
    assert b"layered=127.0.0.1:9/group/project/layered" in done.stderr
    assert b"checking" not in done.stderr


def test_attributes_that_would_overwrite_each_other_are_refused_before_anything_is_built(
    run: Run, make_flake: Callable[..., Path], registry: Registry
) -> None:
    repository = registry.new_repository()
    done = run(
        *("--flake", ".#layered", "--flake", ".#stream", "--tags", f"{registry.host}/{repository}:1"),
        cwd=make_flake(),
    )
    assert done.returncode == 2
    assert b"each of which would replace the one before" in done.stderr
    assert not registry.tags(repository)
