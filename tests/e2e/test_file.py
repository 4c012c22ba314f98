"""A file of Nix instead of a flake, from the command line to the image."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.testbed import archives

pytestmark = pytest.mark.slow

EXPRESSION = """
{
  images.shapes = derivation {
    name = "shapes.tar";
    system = builtins.currentSystem;
    builder = "${./bin}/busybox";
    args = [ "cp" "${./image.tar}" (placeholder "out") ];
    inherit (import <pins>) greeting;
  };
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    shutil.copy(archives.BUSYBOX, tmp_path / "bin/busybox")
    (tmp_path / "image.tar").write_bytes(archives.layered())
    (tmp_path / "pins.nix").write_text('{ greeting = "hello"; }')
    (tmp_path / "default.nix").write_text(EXPRESSION)
    return tmp_path


def run(
    folder: Path, environ: Mapping[str, str], layout: str, *flags: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flakeship", "publish", "--to", f"oci:{layout}:x", *flags]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_the_image_of_an_attribute(folder: Path, nix_environ: Mapping[str, str]) -> None:
    flags = ("--file", "default.nix", "--attr", "images.shapes", "--nix-path", "pins=./pins.nix")
    done = run(folder, nix_environ, "built", *flags)
    assert done.returncode == 0, done.stderr
    assert run(folder, nix_environ, "given", "--source", "image.tar").returncode == 0
    built, given = (
        json.loads((folder / name / "index.json").read_text())["manifests"][0]["digest"]
        for name in ("built", "given")
    )
    manifests = [
        json.loads((folder / name / "blobs" / digest.replace(":", "/")).read_text())
        for name, digest in (("built", built), ("given", given))
    ]
    assert manifests[0]["layers"] == manifests[1]["layers"]
    assert manifests[0]["annotations"]["dev.flakeship.source"].endswith("-shapes.tar")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--attr", "images.shapes"), "`--attr` is for a file of Nix, but `--file` is not given"),
        (("--nix-path", "a=b"), "`--nix-path` is for a file of Nix"),
        (("--file", ".", "--flake", ".#x"), "`--file` and `--flake` are both given"),
        (("--file", ".", "--source", "image.tar"), "`--file` and `--source` are both given"),
        (("--source", "oci:layout:1.0"), "can't read the source"),
        (("--flake", ".#x", "--source", "image.tar"), "`--flake` and `--source` are both given"),
        (("--source", "image.tar", "--rebuild", "compare"), "no second build can be compared"),
    ],
)
def test_inputs_that_contradict_each_other(
    folder: Path, nix_environ: Mapping[str, str], flags: tuple[str, ...], words: str
) -> None:
    done = run(folder, nix_environ, "out", *flags)
    assert done.returncode == 2
    assert words in done.stderr
    assert "  -> " in done.stderr
