"""A flake that Nix copies with its whole folder, which the image is written into: nothing of ours is in what is built."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.testbed import archives

pytestmark = pytest.mark.slow

FLAKE = """
{
  outputs = { self }: {
    whole = derivation {
      name = "app";
      system = "x86_64-linux";
      builder = "${./.}/busybox";
      args = [ "sh" "-c" "$0 mkdir $out && $0 cp -r ${self} $out/src" "${./.}/busybox" ];
    };
    broken = derivation { name = "b"; system = "x86_64-linux"; builder = "${./.}/busybox"; args = [ "false" ]; };
  };
}
"""
SOURCES = ["busybox", "flake.nix"]
WRITTEN = ("--to", "docker-archive:image.tar:app:dev\noci:layouts/new", "--entrypoint", '["/x"]')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "app"
    made.mkdir()
    shutil.copy(archives.BUSYBOX, made / "busybox")
    (made / "flake.nix").write_text(FLAKE)
    return made


def publish(folder: Path, environ: Mapping[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flakeship", "publish", *flags]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def copied(layout: Path) -> list[str]:
    """The files at the top of the sources that the image was built from."""
    digest = json.loads((layout / "index.json").read_text())["manifests"][-1]["digest"]
    manifest = json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())
    found = set[str]()
    for layer in manifest["layers"]:
        with tarfile.open(layout / "blobs" / layer["digest"].replace(":", "/")) as tar:
            found |= {name.rpartition("/src/")[2] for name in tar.getnames() if "-app/src/" in name}
    return sorted(name for name in found if "/" not in name)


def test_the_sources_hold_nothing_of_the_run(folder: Path, nix_environ: Mapping[str, str]) -> None:
    done = publish(folder, nix_environ, "--flake", ".#whole", *WRITTEN)
    assert done.returncode == 0, done.stderr
    assert copied(folder / "layouts/new") == SOURCES
    assert "the next build copies image.tar too" in done.stderr
    assert "the next build copies layouts/new too" in done.stderr
    assert "git init" in done.stderr


def test_a_build_that_fails_leaves_the_folder_as_it_was(folder: Path, nix_environ: Mapping[str, str]) -> None:
    done = publish(folder, nix_environ, "--flake", "path:.#broken", *WRITTEN)
    assert done.returncode == 3, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == SOURCES
