"""One image for each of several platforms, built in one run by real Nix and published as one index.

Derivations for aarch64 run the same static busybox as those for x86_64, because `extra-platforms` lets this Nix build them;
the images say that they are for arm64, and hold a program whose header says so.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.testbed import archives
from tests.testbed.archive_shapes import archive
from tests.testbed.command import Ended, Publish
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

MACHINES = {"amd64": 62, "arm64": 183, "arm": 40, "riscv64": 243}
FLAKE = """{
  outputs = { self }:
    let
      busybox = "${./bin}/busybox";
      make = system: name: script: derivation {
        inherit name system;
        builder = busybox;
        args = [ "sh" "-euc" "b=${busybox}; salt=${./salt}; archives=${./archives}; ${script}" ];
      };
      tar = system: from: make system "image-${from}.tar" "$b cp $archives/${from}.tar $out";
    in {
      packages.x86_64-linux = {
        default = tar "x86_64-linux" "amd64";
        image = tar "x86_64-linux" "amd64";
        other = tar "x86_64-linux" "amd64";
        image-arm64 = tar "x86_64-linux" "arm64";
        only = tar "x86_64-linux" "amd64";
        fails = tar "x86_64-linux" "amd64";
        mislabelled = tar "x86_64-linux" "amd64";
        wrong = tar "x86_64-linux" "amd64";
        set.image = tar "x86_64-linux" "amd64";
        package = make "x86_64-linux" "package" "$b mkdir -p $out/bin; $b cp $archives/program-amd64 $out/bin/package; $b chmod +x $out/bin/package";
      };
      packages.aarch64-linux = {
        default = tar "aarch64-linux" "arm64";
        image = tar "aarch64-linux" "arm64";
        other = tar "aarch64-linux" "arm64";
        fails = make "aarch64-linux" "fails" "echo broken >&2; exit 3";
        mislabelled = tar "aarch64-linux" "amd64";
        wrong = tar "aarch64-linux" "wrong";
        package = make "aarch64-linux" "package" "$b mkdir -p $out/bin; $b cp $archives/program-arm64 $out/bin/package; $b chmod +x $out/bin/package";
      };
      packages.armv7l-linux.image = tar "armv7l-linux" "arm";
      legacyPackages.aarch64-linux.set.image = tar "aarch64-linux" "arm64";
    };
}
"""
BOTH = "linux/amd64,linux/arm64"
CONFIG = "extra-platforms = aarch64-linux armv7l-linux"
Ship: TypeAlias = Callable[..., Ended]


def program(architecture: str) -> bytes:
    """The header of a program for this CPU, and nothing behind it that could run."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, MACHINES[architecture]) + bytes(100)


def tarball(label: str, made_for: str) -> bytes:
    """An image of a layer that all platforms share, and one with a program."""
    shared = archives.layer_tar({"etc/motd": b"the same on every platform\n" * 1000})
    own = archives.layer_tar({"bin/app": program(made_for)})
    return archive((shared, own), architecture=label)


@pytest.fixture
def flake(tmp_path: Path, git: Callable[..., str]) -> Path:
    folder = tmp_path / "flake"
    (folder / "bin").mkdir(parents=True)
    (folder / "archives").mkdir()
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    for name, label, made_for in (
        ("amd64", "amd64", "amd64"),
        ("arm64", "arm64", "arm64"),
        ("arm", "arm", "arm"),
        ("wrong", "arm64", "amd64"),
    ):
        (folder / f"archives/{name}.tar").write_bytes(tarball(label, made_for))
    for architecture in MACHINES:
        (folder / f"archives/program-{architecture}").write_bytes(program(architecture))
    (folder / "salt").write_text(str(uuid.uuid4()))
    (folder / "flake.nix").write_text(FLAKE)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "flake")
    return folder


@pytest.fixture
def ship(publish: Publish, flake: Path) -> Ship:
    """Publish from the flake; every line of the log is shown."""
    return lambda *flags, **environ: publish(
        *("--log-level", "debug", "--nix-config", CONFIG, *flags), cwd=flake, **environ
    )


def platforms(index: Mapping[str, Any]) -> list[dict[str, str]]:
    return [entry["platform"] for entry in index["manifests"]]


def built(ended: Ended) -> int:
    """How many calls of `nix build` there were."""
    return sum("nix build" in line for line in ended.stderr.splitlines())


def test_two_platforms_of_one_attribute(ship: Ship, registry: Registry) -> None:
    """They are built in one call of Nix and published as an index, amd64 first; what both hold is sent once."""
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    ended = ship(".#image", name, "--platforms", "linux/arm64/v8,linux/x86_64")
    assert ended.code == 0, ended.stderr
    index = registry.manifest(repository, "1")
    assert index
    print(json.dumps(index, indent=1), ended.stderr)
