"""A laptop with macOS, as far as Nix's setting `system` makes this Linux one: what is evaluated, chosen, refused and said.

Derivations "for macOS" run the same static busybox as those for Linux. `extra-platforms` stands in for the Linux builder of
a Mac. No program of macOS runs here: a file with the header of one does.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.testbed import archives
from tests.testbed.archive_shapes import archive
from tests.testbed.command import Ended, Publish

pytestmark = pytest.mark.slow

MAC = "system = x86_64-darwin"
WITH_BUILDER = f"{MAC}\nextra-platforms = x86_64-linux"
FLAKE = """{
  outputs = { self }:
    let
      busybox = "${./bin}/busybox";
      make = system: name: script: derivation {
        inherit name system;
        builder = busybox;
        args = [ "sh" "-euc" "b=${busybox}; archives=${./archives}; salt=${./salt}; ${script}" ];
      };
      tar = system: name: from: make system "${name}.tar" "$b cp $archives/${from}.tar $out";
      package = system: make system "package" "$b mkdir -p $out/bin; echo for ${system} > $out/bin/package; $b chmod +x $out/bin/package";
      shell = system: make system "shell" "$b mkdir -p $out/bin; echo for ${system} > $out/bin/sh";
    in {
      packages.x86_64-linux = {
        image = tar "x86_64-linux" "of-linux" "linux";
        package = package "x86_64-linux";
        shell = shell "x86_64-linux";
      };
      packages.x86_64-darwin = {
        image = tar "x86_64-darwin" "of-the-mac" "macos";
        composed = tar "x86_64-darwin" "composed" "linux";
        wrong = tar "x86_64-darwin" "wrong" "macos";
        only = package "x86_64-darwin";
        shell = shell "x86_64-darwin";
      };
      packages.aarch64-linux.other = tar "aarch64-linux" "other" "linux";
    };
}
"""


@pytest.fixture
def ship(publish: Publish, tmp_path: Path, git: Callable[..., str]) -> Callable[..., Ended]:
    folder = tmp_path / "flake"
    (folder / "bin").mkdir(parents=True)
    (folder / "archives").mkdir()
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00" + bytes(100)
    for name, program in (("linux", elf), ("macos", b"\xcf\xfa\xed\xfe" + bytes(100))):
        layer = archives.layer_tar({"bin/app": program})
        (folder / f"archives/{name}.tar").write_bytes(archive((layer,), architecture="amd64"))
    (folder / "salt").write_text(str(uuid.uuid4()))  # nothing is built already
    (folder / "flake.nix").write_text(FLAKE)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "flake")

    def ship(*flags: str, config: str = WITH_BUILDER) -> Ended:
        return publish("--nix-config", config, "--to", "oci:image:1", *flags, cwd=folder)

    return ship


def written(folder: Path) -> dict[str, Any]:
    """The config of the image in the layout."""
    blobs = folder / "image/blobs"

    def read(descriptor: dict[str, Any]) -> dict[str, Any]:
        return dict(json.loads((blobs / descriptor["digest"].replace(":", "/")).read_text()))

    return read(read(json.loads((folder / "image/index.json").read_text())["manifests"][0])["config"])


def test_an_attribute_is_that_of_the_macs_linux(ship: Callable[..., Ended], tmp_path: Path) -> None:
    """Though the flake has one for the Mac too."""
    ended = ship(".#image")
    assert ended.code == 0, ended.stderr
    assert "on a Mac: .#image is .#packages.x86_64-linux.image, since containers run Linux" in ended.stderr
    assert written(tmp_path / "flake")["architecture"] == "amd64"


def test_contents_and_the_shell_are_linuxs_too(ship: Callable[..., Ended], tmp_path: Path) -> None:
    ended = ship(
        ".#package", "--contents", ".#shell", "--debug", "--debug-shell", ".#shell", "--base", "none"
    )
    assert ended.code == 0, ended.stderr
    found = b"".join(each.read_bytes() for each in (tmp_path / "flake/image/blobs/sha256").iterdir())
    assert written(tmp_path / "flake")["os"] == "linux"
    assert b"darwin" not in found


def test_what_is_put_together_on_the_mac_may_hold_linuxs_programs(ship: Callable[..., Ended]) -> None:
    ended = ship(".#composed")
    assert ended.code == 0, ended.stderr
    assert "has .#composed for x86_64-darwin and not for x86_64-linux" in ended.stderr


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (
            (".#wrong", WITH_BUILDER),
            7,
            ["holds bin/app, which is a program for macOS", "`packages.x86_64-linux`"],
        ),
        ((".#only", WITH_BUILDER), 4, ["is built for x86_64-darwin, but containers run Linux"]),
        ((".#other", WITH_BUILDER), 3, ["has 'other' for aarch64-linux, and not for x86_64-linux"]),
        (
            (".#image", MAC),
            3,
            [
                "is for x86_64-linux, and this machine is x86_64-darwin",
                "linux-builder",
                "rosetta",
                "Determinate",
            ],
        ),
        (
            (".#image", "system = aarch64-darwin"),
            3,
            ["has 'image' for x86_64-darwin, x86_64-linux, and not for aarch64-linux"],
        ),
    ],
)
def test_what_no_container_can_run_is_refused(
    ship: Callable[..., Ended], tmp_path: Path, asked: tuple[str, str], code: int, words: list[str]
) -> None:
    ended = ship(asked[0], config=asked[1])
    assert ended.code == code, ended.stderr
    assert [word for word in words if word not in ended.stderr] == [], ended.stderr
    assert not (tmp_path / "flake/image/index.json").exists()
