"""The lines of docs/github.md for machines without Nix, typed as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT
from tests.testbed.docker import Docker

OWNER = (1001, 127)
NAME = "app:dev"
VOLUME = "flakeship-test-nix"
FILE, LOAD = re.findall(
    r"^\$ (docker run .*/flakeship:1 .*)$", (ROOT / "docs/github.md").read_text(), re.MULTILINE
)


@pytest.fixture
def typed(dockerd: Docker, action_image: str) -> Iterator[Callable[[Path, str], None]]:
    """Run a line in a folder: with the image and the flake made here, by a network and a socket that there are."""
    here = {
        "docker run": "docker run --network host -e 'FLAKESHIP_NIX_CONFIG=substituters ='",
        "ghcr.io/flakeship/flakeship:1": action_image,
        "/var/run/docker.sock:": dockerd.host.removeprefix("unix://") + ":",
        "flakeship-nix:": f"{VOLUME}:",
        ".#image": ".#layered",
    }

    def run(folder: Path, line: str) -> None:
        for shown, ours in here.items():
            line = line.replace(shown, ours)
        done = subprocess.run(
            ["sh", "-c", line], cwd=folder, env=dockerd.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    yield run
    dockerd.run("image", "rm", "--force", NAME)
    dockerd.run("volume", "rm", "--force", VOLUME)


def test_a_real_file_is_left_that_docker_loads(
    dockerd: Docker, typed: Callable[[Path, str], None], make_flake: Callable[..., Path], action_image: str
) -> None:
    folder = make_flake()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *OWNER, follow_symlinks=False)
    typed(folder, FILE)
    image = folder / "image.tar"
    assert image.is_file()
    assert not image.is_symlink()
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in folder.rglob("*")} == {OWNER}
    dockerd("load", "--input", str(image))
    assert dockerd("run", "--rm", NAME) == "Hello, world!\n"
    kept = dockerd("run", "--rm", "-v", f"{VOLUME}:/nix", "--entrypoint", "ls", action_image, "/nix/store")
    assert "-layered.tar.gz\n" in kept
    typed(folder, FILE)


def test_the_image_is_loaded_into_docker(
    dockerd: Docker, typed: Callable[[Path, str], None], make_flake: Callable[..., Path]
) -> None:
    folder = make_flake()
    before = sorted(folder.rglob("*"))
    typed(folder, LOAD)
    assert dockerd("run", "--rm", NAME) == "Hello, world!\n"
    assert sorted(folder.rglob("*")) == before
