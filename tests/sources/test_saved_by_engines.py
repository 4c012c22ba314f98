"""What real engines save of an image, read: it is the same image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.image.making import made
from tests.testbed import archives
from tests.testbed.docker import Docker
from tests.testbed.podman import Podman

pytestmark = pytest.mark.slow


@pytest.fixture
def loaded(tmp_path: Path) -> Path:
    """An archive that engines load."""
    file = tmp_path / "layered.tar"
    file.write_bytes(archives.layered("registry.example/saved:1"))
    return file


def check(path: Path, out: Path) -> None:
    packed = made(path, out)
    assert [layer.diff_id for layer in packed.layers] == [f"sha256:{digest}" for digest in archives.DIFF_IDS]
    assert json.loads(packed.config)["config"]["Cmd"] == ["/bin/hello"]


def test_docker_save(dockerd: Docker, loaded: Path, tmp_path: Path) -> None:
    name = "registry.example/saved:1"
    try:
        dockerd("load", "--input", str(loaded))
        dockerd("save", "--output", str(tmp_path / "saved.tar"), name)
    finally:
        dockerd.run("image", "rm", "--force", name)
    check(tmp_path / "saved.tar", tmp_path / "out")


def test_podman_save(podman: Podman, loaded: Path, tmp_path: Path) -> None:
    podman("load", "--input", str(loaded))
    for form in ("docker-archive", "oci-archive", "docker-dir", "oci-dir"):
        podman("save", "--format", form, "--output", str(tmp_path / form), "registry.example/saved:1")
        check(tmp_path / form, tmp_path / "out")
