"""What the command makes, read by tools that are not ours: docker, skopeo, umoci."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.testbed.docker import Docker
from tests.testbed.registry import Registry

Publish: TypeAlias = Callable[..., str]


@pytest.fixture
def publish(make_flake: Callable[..., Path], nix_environ: Mapping[str, str]) -> Publish:
    """`publish(attribute, *flags)` runs the command in a flake's folder; its stdout."""
    folder = make_flake()

    def run(attribute: str, *flags: str) -> str:
        command = [sys.executable, "-m", "flakeship", "publish", "--flake", f".#{attribute}", *flags]
        done = subprocess.run(
            command, cwd=folder, env=nix_environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.parametrize("attribute", ["layered", "image", "stream"])
@pytest.mark.parametrize("media_types", ["oci", "docker"])
def test_docker_pulls_and_runs_what_was_pushed(
    publish: Publish, dockerd: Docker, registry: Registry, attribute: str, media_types: str
) -> None:
    name = f"{registry.host}/{registry.new_repository()}"
    reference = publish(
        attribute, "--tags", f"{name}:1.0", "--labels", "team=north", "--media-types", media_types
    )
    try:
        dockerd("pull", "--quiet", reference)
        assert dockerd("run", "--rm", reference) == "Hello, world!\n"
        labels = json.loads(dockerd("image", "inspect", "--format", "{{json .Config.Labels}}", reference))
        assert labels["team"] == "north"
        assert labels["org.opencontainers.image.title"] == "shapes"
    finally:
        dockerd.run("image", "rm", "--force", reference)


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_skopeo_reads_what_was_pushed(publish: Publish, registry: Registry, compression: str) -> None:
    name = f"{registry.host}/{registry.new_repository()}"
    reference = publish(
        "layered", "--tags", f"{name}:1.0", "--labels", "team=north", "--compression", compression
    )
    command = ["skopeo", "inspect", "--tls-verify=false", f"docker://{name}:1.0"]
    seen = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert reference == f"{name}@{seen['Digest']}"
    assert seen["Labels"]["team"] == "north"
    assert (seen["Architecture"], len(seen["Layers"])) == ("amd64", 3)


@pytest.mark.slow
def test_umoci_unpacks_the_layout(publish: Publish, tmp_path: Path) -> None:
    publish("layered", "--to", f"oci:{tmp_path}/layout:1.0")
    command = ["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/layout:1.0", f"{tmp_path}/bundle"]
    subprocess.run(command, capture_output=True, check=True)
    assert (tmp_path / "bundle/rootfs/etc/motd").read_text() == "customisation layer\n"
    arguments = json.loads((tmp_path / "bundle/config.json").read_text())["process"]["args"]
    assert arguments == ["/bin/hello"]
