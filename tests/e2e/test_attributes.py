"""Attributes as flakes name them, and results that are no image by themselves, published with real Nix."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testbed import archives
from tests.testbed.command import Ended, Publish

pytestmark = pytest.mark.slow

FLAKE = """{
  outputs = { self }:
    let
      busybox = "${./bin}/busybox";
      made = script: extra: derivation ({
        name = "app-1.0";
        system = "x86_64-linux";
        builder = busybox;
        args = [ "sh" "-euc" "b=${busybox}; image=${./image.tar}; ${script}" ];
      } // extra);
      image = made "$b cp $image $out" { };
    in {
      packages.x86_64-linux = {
        "hello:exe:hello" = image;
        "my.image" = image;
        "a b" = image;
        two = made "$b cp $image $out; $b cp $image $debug" { outputs = [ "out" "debug" ]; }
          // { meta.outputsToInstall = [ "out" "debug" ]; };
        beside = made "echo text > $out; $b cp $image $image_" { outputs = [ "out" "image_" ]; };
        within = made "$b mkdir -p $out/tarball $out/nix-support; $b cp $image $out/tarball/image.tar; echo file system-tarball $out/tarball/image.tar > $out/nix-support/hydra-build-products" { };
        reads = made "$b cat ${./.}/notes.txt > $out" { };
      };
    };
}
"""
Ship = Callable[..., Ended]


@pytest.fixture
def ship(publish: Publish, tmp_path: Path, git: Callable[..., str]) -> Ship:
    """Publish from a repository with FLAKE in it and a file that git does not track, into a layout within it."""
    flake = tmp_path / "flake"
    (flake / "bin").mkdir(parents=True)
    shutil.copy(archives.BUSYBOX, flake / "bin/busybox")
    (flake / "image.tar").write_bytes(archives.layered())
    (flake / "flake.nix").write_text(FLAKE)
    (flake / "default.nix").write_text("(import ./flake.nix).outputs { self = { }; }")
    git(flake, "init", "-q", "-b", "main")
    git(flake, "add", "-A")
    git(flake, "commit", "-q", "-m", "flake")
    (flake / "notes.txt").write_text("unseen")
    return lambda *flags, **environ: publish(*flags, "--to", "oci:image", cwd=flake, **environ)


LINES = (
    "colon=.#hello:exe:hello",
    'dot=.#"my.image"',
    "blank=.#a b",
    "escaped=.#a%20b",
    "output=.#two^debug",
    "hidden=.#beside^image_",
)


def test_attributes_are_taken_as_nix_build_takes_them(
    ship: Ship, git: Callable[..., str], tmp_path: Path
) -> None:
    """input-output-hk/haskell.nix#1987: its packages are called PACKAGE:exe:NAME.

    The layout that they go to lies in the working tree, and git does not see it. The run is within a Nix shell.
    """
    shell = {"IN_NIX_SHELL": "impure", "SOURCE_DATE_EPOCH": "315532800"}
    ended = ship("--flake", "\n".join(LINES), **shell)
    assert ended.code == 0, ended.stderr
    index = json.loads((tmp_path / "flake/image/index.json").read_text())
    assert len(index["manifests"]) == len(LINES)
    assert git(tmp_path / "flake", "status", "--porcelain") == "?? notes.txt\n"
    assert "so the image gets the commit's date" in ended.stderr


def test_attributes_of_a_file_are_taken_so_too(ship: Ship) -> None:
    ended = ship("--file", "default.nix", "--attr", "packages.x86_64-linux.hello:exe:hello")
    assert ended.code == 0, ended.stderr


@pytest.mark.parametrize(
    ("attribute", "code", "words"),
    [
        ("two", 4, ["has 2 outputs that are images, out, debug", "`.#two^out` or `.#two^debug`"]),
        ("beside", 4, ["name another output of the package, which is an image: `.#beside^image_`"]),
        (
            "within",
            4,
            ["a folder that holds one: tarball/image.tar", "ln -s ${package}/tarball/image.tar $out"],
        ),
        ("reads", 3, ["`git add --intent-to-add -- notes.txt`"]),
    ],
)
def test_what_can_not_be_published_says_what_can(
    ship: Ship, attribute: str, code: int, words: list[str]
) -> None:
    ended = ship("--flake", f".#{attribute}")
    assert ended.code == code, ended.stderr
    assert [word for word in words if word not in ended.stderr] == []
