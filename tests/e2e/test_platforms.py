"""One image for each of several platforms, built in one run by real Nix and published as one index.

Derivations for aarch64 run the same static busybox as those for x86_64, because `extra-platforms` lets this Nix build them;
the images say that they are for arm64, and hold a program whose header says so. One is a program of aarch64 indeed, which qemu
runs while it is built and after it was published: no interpreter is registered with the kernel for that.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flakeship.sources.nix2container.tree import LayerPath, WriterVersion, tar_pieces
from tests.sources.store_trees import image_json, layer_json
from tests.testbed import archives
from tests.testbed.archive_shapes import archive
from tests.testbed.command import Ended, Publish
from tests.testbed.docker import Docker
from tests.testbed.podman import Podman
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
        shell = make "x86_64-linux" "shell-x86_64" "$b mkdir -p $out/bin; echo x > $out/bin/sh";
        emulated = make "x86_64-linux" "emulated" "$b mkdir -p $out/bin; $b cp $b $out/bin/emulated";
        index = make "x86_64-linux" "index" "$b cp -r ${./bin}/index $out";
        package = make "x86_64-linux" "package" "$b mkdir -p $out/bin; $b cp $archives/program-amd64 $out/bin/package; $b chmod +x $out/bin/package";
      };
      packages.aarch64-linux = {
        default = tar "aarch64-linux" "arm64";
        image = tar "aarch64-linux" "arm64";
        other = tar "aarch64-linux" "arm64";
        fails = make "aarch64-linux" "fails" "echo broken >&2; exit 3";
        mislabelled = tar "aarch64-linux" "amd64";
        wrong = tar "aarch64-linux" "wrong";
        emulated = make "aarch64-linux" "emulated" "$b mkdir -p $out/bin; ${./bin}/qemu ${./bin}/program $out/bin/emulated";
        shell = make "aarch64-linux" "shell-aarch64" "$b mkdir -p $out/bin; echo x > $out/bin/sh";
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


def arm64_program() -> bytes:
    """A whole program for arm64: it writes itself to the file that its argument names."""

    def movz(register: int, value: int, *, high: bool = False) -> int:
        return (0xD2A00000 if high else 0xD2800000) | value << 5 | register

    call, size = 0xD4000001, 64 + 56 + 13 * 4
    opened = (
        0xF9400BE1,
        0x92800C60,
        movz(2, 0o1101),
        movz(3, 0o755),
        movz(8, 56),
        call,
    )  # openat(cwd, argv[1])
    written = (movz(1, 0x40, high=True), movz(2, size), movz(8, 64), call)
    ended = (movz(0, 0), movz(8, 93), call)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 0x1000)
    header = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return b"\x7fELF\x02\x01\x01" + bytes(9) + header + load + struct.pack("<13I", *opened, *written, *ended)


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


def index_at(registry: Registry, repository: str, tag: str) -> dict[str, Any]:
    """The index that a tag names, of amd64 and arm64 in this order."""
    index = registry.manifest(repository, tag)
    assert index
    assert [each["architecture"] for each in platforms(index)] == ["amd64", "arm64"]
    return index


def children_at(registry: Registry, repository: str, index: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The manifests that an index lists."""
    found = [registry.manifest(repository, entry["digest"]) for entry in index["manifests"]]
    return [manifest for manifest in found if manifest]


def config(registry: Registry, repository: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    blob = registry.blob(repository, manifest["config"]["digest"])
    assert blob
    return dict(json.loads(blob))


def built(ended: Ended) -> int:
    """How many calls of `nix build` there were."""
    return sum("nix build" in line for line in ended.stderr.splitlines())


def test_two_platforms_of_one_attribute(ship: Ship, registry: Registry) -> None:
    """They are built in one call of Nix and published as an index, amd64 first; what both hold is sent once.

    A second run, and one that labels them anew, builds nothing; one that another attribute is asked of builds what is missing.
    """
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    ended = ship(".#image", name, "--platforms", "linux/arm64/v8,linux/x86_64")
    assert ended.code == 0, ended.stderr
    assert built(ended) == 1
    index = registry.manifest(repository, "1")
    assert index
    assert platforms(index) == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    shared = set.intersection(
        *({layer["digest"] for layer in each["layers"]} for each in children_at(registry, repository, index))
    )
    assert len(shared) == 1
    patched = [each for each in registry.accesses(repository) if each.method == "PATCH"]
    assert len(patched) <= 3, "a layer that both platforms hold is sent once"
    again = ship(".#image", name, "--platforms", BOTH)
    assert (again.code, built(again)) == (0, 0), again.stderr
    assert "is unchanged" in again.stderr
    labelled = ship(".#image", name, "--platforms", BOTH, "--labels", "a=b")
    assert (labelled.code, built(labelled)) == (0, 0), labelled.stderr
    now = registry.manifest(repository, "1")
    assert now
    assert now != index
    labels = [
        config(registry, repository, each)["config"]["Labels"]["a"]
        for each in children_at(registry, repository, now)
    ]
    assert labels == ["b", "b"]


def test_an_image_of_an_index_that_was_deleted_is_built_again(ship: Ship, registry: Registry) -> None:
    """A cleaner that takes what has no tag leaves the index, and the layers: one is built, and no layer is sent."""
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    assert ship(".#image", name, "--platforms", BOTH).code == 0
    index = registry.manifest(repository, "1")
    assert index
    gone = index["manifests"][1]["digest"]
    assert registry.request("DELETE", f"{repository}/manifests/{gone}", repository=repository).ok
    sent = sum(each.method == "PATCH" for each in registry.accesses(repository))
    healed = ship(".#image", name, "--platforms", BOTH)
    assert (healed.code, built(healed)) == (0, 1), healed.stderr
    assert f"{repository}:1 lists {gone}, which is not there any more" in healed.stderr
    assert "for linux/amd64 the image made from" in healed.stderr
    assert registry.manifest(repository, "1") == index
    assert registry.manifest(repository, gone)
    assert sum(each.method == "PATCH" for each in registry.accesses(repository)) == sent
    asked = [each for each in registry.accesses(repository) if gone in each.path and each.method == "HEAD"]
    assert asked


def test_one_platform_is_an_image_and_no_index(ship: Ship, registry: Registry) -> None:
    """Of another platform than this machine's it is that attribute; and it is not put over what the revision has already."""
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    assert ship(".#image", name, "--platforms", "linux/arm64").code == 0
    manifest = registry.manifest(repository, "1")
    assert manifest
    assert "layers" in manifest
    assert config(registry, repository, manifest)["architecture"] == "arm64"
    later = ship(".#image", name)
    assert later.code == 7, later.stderr
    assert f"{name} holds linux/arm64 of the revision" in later.stderr
    assert "would lose it to linux/amd64 alone" in later.stderr
    assert "`--platforms linux/amd64,linux/arm64`" in later.stderr
    assert "push-by-digest" in later.stderr
    assert registry.manifest(repository, "1") == manifest
    both = ship(".#image", name, "--platforms", BOTH)
    assert both.code == 0, both.stderr
    assert "loses" not in both.stderr
    by_digest = ship(".#image", name, "--platforms", "linux/amd64", "--push-by-digest")
    assert (by_digest.code, built(by_digest)) == (0, 0), by_digest.stderr
    fewer = ship(".#image", name, "--platforms", "linux/amd64,linux/armv7l")
    assert fewer.code == 0, fewer.stderr
    assert fewer.stderr.index(f"{name} loses linux/arm64: ") < fewer.stderr.index("==> building")


@pytest.mark.long
def test_several_attributes_of_several_platforms(ship: Ship, registry: Registry) -> None:
    """Lines of one name are one image; a line with a platform is taken as it is written."""
    repository = registry.new_repository()
    host = f"{registry.host}/{repository}"
    lines = "app=.#image\nother=.#other\nother=linux/arm64=.#image-arm64"
    tags = f"app={host}:app\nother={host}:other"
    ended = ship("--flake", lines, "--tags", tags, "--platforms", BOTH)
    assert ended.code == 0, ended.stderr
    for tag in ("app", "other"):
        index_at(registry, repository, tag)
    assert ".#packages.aarch64-linux.other" not in ended.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("flags", "written"),
    [
        ((".#set.image", "--platforms", BOTH), ["amd64", "arm64"]),
        (("--flake", ".#image\nlinux/arm64=.#image-arm64"), ["amd64", "arm64"]),
        ((".#image", "--platforms", "linux/armv7l,linux/amd64"), ["amd64", "arm/v7"]),
        ((".#package", "--platforms", "linux/arm64", "--base", "none"), ["arm64"]),
    ],
)
def test_where_attributes_are(ship: Ship, flake: Path, flags: tuple[str, ...], written: list[str]) -> None:
    """Legacy packages, the default, attributes that are cross-compiled, plain packages; into a layout."""
    ended = ship(*flags, "--to", "oci:image:1")
    assert ended.code == 0, ended.stderr
    blobs = flake / "image/blobs"

    def read(descriptor: Mapping[str, Any]) -> dict[str, Any]:
        return dict(json.loads((blobs / descriptor["digest"].replace(":", "/")).read_text()))

    entry = json.loads((flake / "image/index.json").read_text())["manifests"][0]
    document = read(entry)
    manifests = [read(each) for each in document["manifests"]] if "manifests" in document else [document]
    said = [named(read(manifest["config"])) for manifest in manifests]
    assert said == written
    if "manifests" in document:
        assert [named(each) for each in platforms(document)] == written


def named(document: Mapping[str, Any]) -> str:
    return "/".join(filter(None, (document["architecture"], document.get("variant", ""))))


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (
            (".#only", "--platforms", BOTH),
            3,
            ["has 'only' for x86_64-linux, and not for aarch64-linux", "linux/arm64=.#image-arm64"],
        ),
        (
            (".#image", "--platforms", BOTH, "--override-platform", "linux/arm64"),
            2,
            ["override-platform corrects a single image"],
        ),
        (
            (".#image", "--platforms", BOTH, "--to", "docker-archive:image.tar:x:1"),
            2,
            ["takes one image, and one is built for each of linux/amd64, linux/arm64"],
        ),
        ((".#nothing", "--platforms", BOTH), 3, ["has no package 'nothing'"]),
    ],
)
def test_what_can_not_be_is_said_before_anything_is_built(
    ship: Ship, flags: tuple[str, ...], code: int, words: list[str]
) -> None:
    ended = ship(*flags, "--to", "oci:image:1")
    assert ended.code == code, ended.stderr
    assert [word for word in words if word not in ended.stderr] == [], ended.stderr
    assert "building '/nix/store" not in ended.stderr
    assert built(ended) == int(code == 3 and "nothing" in flags[0])


@pytest.mark.parametrize(
    ("attribute", "code", "words"),
    [
        (
            "mislabelled",
            7,
            [
                "is built for linux/arm64, and its image says that it is for linux/amd64",
                "pkgs = nixpkgs.legacyPackages.aarch64-linux",
                'architecture = "arm64"',
            ],
        ),
        (
            "wrong",
            7,
            ["bin/app in it is a program for amd64", "legacyPackages.aarch64-linux", "`--lint off`"],
        ),
        ("fails", 3, ["building fails failed", "broken"]),
    ],
)
def test_what_is_for_another_platform_is_refused(
    ship: Ship, registry: Registry, tmp_path: Path, *, attribute: str, code: int, words: list[str]
) -> None:
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    for flags in [("--platforms", BOTH), ("--platforms", "linux/arm64")][: 1 + (attribute == "wrong")]:
        # the second time the layer is not read to be packed any more, for it lies in the layer cache
        ended = ship(f".#{attribute}", name, *flags, "--layer-cache", str(tmp_path / "cache"))
        assert ended.code == code, ended.stderr
        assert [word for word in words if word not in ended.stderr] == [], ended.stderr
    assert registry.tags(repository) == []


def test_an_image_has_no_variant_with_a_shell(ship: Ship, registry: Registry) -> None:
    """Neither one that is built, nor one that is published already: a tag that says so would be of the same image."""
    repository = registry.new_repository()
    debug = (".#image", f"{registry.host}/{repository}:1", "--debug", "--debug-shell", ".#shell")
    ended = ship(*debug)
    assert (ended.code, registry.tags(repository)) == (2, []), ended.stderr
    assert ".#image is an image already, and a shell can be put beside a package alone" in ended.stderr
    assert ship(*debug[:2]).code == 0
    ended = ship(*debug)
    assert (ended.code, registry.tags(repository)) == (2, ["1"]), ended.stderr


def test_a_layer_that_another_tag_has_is_looked_at(ship: Ship, registry: Registry) -> None:
    """What `lint: off` has let in is no excuse for what is published beside it, for another platform or with other labels."""
    name = f"{registry.host}/{registry.new_repository()}"
    wrong = (".#wrong", "--platforms", "linux/arm64", "--layer-cache", "off")
    assert ship(*wrong, f"{name}:1", "--lint", "off").code == 0
    ended = ship(*wrong, f"{name}:2")
    assert (ended.code, "is a program for amd64" in ended.stderr) == (7, True), ended.stderr


def test_an_engine_is_given_its_own_platform(
    ship: Ship, registry: Registry, dockerd: Docker, podman: Podman
) -> None:
    """Docker and podman load the image that they run, a registry gets the index, in one run; a source that is one too."""
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    local = "flakeship-test/platforms:1"
    to = f"docker-daemon:{local}\ncontainers-storage:localhost/{local}"
    ended = ship(".#image", name, "--platforms", BOTH, "--to", to, **{**podman.environ, **dockerd.environ})
    assert ended.code == 0, ended.stderr
    index = registry.manifest(repository, "1")
    assert index
    assert len(index["manifests"]) == 2
    mine = config(registry, repository, children_at(registry, repository, index)[0])["rootfs"]["diff_ids"]
    found = json.loads(dockerd("image", "inspect", local))[0]
    assert (found["Architecture"], found["RootFS"]["Layers"]) == ("amd64", mine)
    (image,) = json.loads(podman("image", "inspect", f"localhost/{local}"))
    assert (image["Architecture"], image["RootFS"]["Layers"]) == ("amd64", mine)
    for architecture in ("arm64", "amd64"):  # each reads the index, and takes what it is told to
        chosen = ("--platform", f"linux/{architecture}", name)
        podman("pull", "--quiet", "--tls-verify=false", *chosen)
        assert json.loads(podman("image", "inspect", name))[0]["Architecture"] == architecture
        dockerd("pull", "--quiet", *chosen)
        assert json.loads(dockerd("image", "inspect", name))[0]["Architecture"] == architecture
        dockerd("image", "rm", "--force", name)
        reading = ("skopeo", "inspect", "--tls-verify=false", "--override-arch", architecture)
        seen = subprocess.run([*reading, f"docker://{name}"], capture_output=True, check=True, text=True)
        assert json.loads(seen.stdout)["Architecture"] == architecture
    copied = ship(
        "--source", f"docker://{name}", "--to", "docker-daemon:flakeship-test/platforms:2", **dockerd.environ
    )
    assert copied.code == 0, copied.stderr
    assert json.loads(dockerd("image", "inspect", "flakeship-test/platforms:2"))[0]["Architecture"] == "amd64"
    for tag in ("1", "2"):
        dockerd("image", "rm", "--force", f"flakeship-test/platforms:{tag}")
    foreign = ship(
        ".#image", "--platforms", "linux/arm64,linux/arm/v7", "--to", "docker-daemon:x/y:1", **dockerd.environ
    )
    assert foreign.code == 2, foreign.stderr
    assert "docker-daemon runs linux/amd64, and what is published is for linux/arm/v7, linux/arm64" in (
        foreign.stderr
    )
    assert built(foreign) == 0


@pytest.mark.long
def test_the_variant_with_a_shell_is_an_index_too(ship: Ship, registry: Registry) -> None:
    """Its contents are those of each platform's system, and the plain packages are labelled as their platforms."""
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    shell = ("--debug", "--debug-shell", ".#shell", "--base", "none")
    ended = ship(".#package", name, "--platforms", BOTH, *shell)
    assert ended.code == 0, ended.stderr
    index_at(registry, repository, "1")
    made = children_at(registry, repository, index_at(registry, repository, "1-debug"))
    shells = config(registry, repository, made[1])["history"]
    assert any("shell-aarch64" in str(entry) for entry in shells), shells


@pytest.mark.long
def test_the_variant_with_a_shell_is_pushed_by_its_digest_too(
    ship: Ship, registry: Registry, flake: Path
) -> None:
    """It has a file of its own for each platform, and is merged from those."""
    repository = registry.new_repository()
    shell = ("--debug", "--debug-shell", ".#shell", "--base", "none", "--push-by-digest")
    for platform in BOTH.split(","):
        ended = ship(".#package", f"{registry.host}/{repository}:1", "--platforms", platform, *shell)
        assert ended.code == 0, ended.stderr
    assert registry.tags(repository) == []
    name = f"flakeship-{repository.replace('/', '-')}"
    for pattern in (f"{name}-linux-*", f"{name}-debug-*"):
        merging = [sys.executable, "-m", "flakeship", "merge", pattern, "--platforms", BOTH]
        subprocess.run(merging, cwd=flake, check=True, capture_output=True)
    index_at(registry, repository, "1")
    made = children_at(registry, repository, index_at(registry, repository, "1-debug"))
    assert "shell-aarch64" in str(config(registry, repository, made[1])["history"])


@pytest.mark.long
def test_an_index_that_a_build_makes_is_chosen_from(
    ship: Ship, registry: Registry, flake: Path, git: Callable[..., str]
) -> None:
    """An attribute path that names its system is taken as it is, and a line for each platform takes its image of it."""
    repository = registry.new_repository()
    host = f"{registry.host}/{repository}"
    assert ship(".#image", f"{host}:1", "--platforms", BOTH, "--to", "oci:bin/index:1").code == 0
    (flake / "bin/index/.gitignore").unlink(missing_ok=True)
    git(flake, "add", "-A")
    chosen = ship(".#packages.x86_64-linux.index", f"{host}:2", "--platforms", BOTH)
    assert chosen.code == 0, chosen.stderr
    index_at(registry, repository, "2")
    lines = "linux/amd64=.#index\nlinux/arm64=.#index"
    assert ship("--flake", lines, "--tags", f"{host}:3").code == 0
    index = index_at(registry, repository, "3")
    again = ship("--flake", lines, "--tags", f"{host}:3")
    assert (again.code, built(again)) == (0, 0), again.stderr
    assert registry.manifest(repository, "3") == index


def test_images_of_nix2container(
    ship: Ship, registry: Registry, flake: Path, nix_environ: Mapping[str, str], git: Callable[..., str]
) -> None:
    """Each says what it is for; one that says something else is refused before anything is sent."""
    (flake / "shared").write_text(str(uuid.uuid4()))
    add = ("nix", "store", "add-file", "--name", "shared", str(flake / "shared"))
    path = subprocess.run(add, env=nix_environ, capture_output=True, text=True, check=True).stdout.strip()
    tar = b"".join(tar_pieces([LayerPath(path.encode())], WriterVersion()))
    for name, architecture in (("amd64", "amd64"), ("arm64", "arm64"), ("wrong", "amd64")):
        layer = layer_json(f"sha256:{hashlib.sha256(tar).hexdigest()}", {"path": path})
        (flake / f"archives/{name}.tar").write_bytes(image_json([layer], arch=architecture))
    git(flake, "add", "-A")
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}"
    ended = ship(".#image", f"{name}:1", "--platforms", BOTH)
    assert ended.code == 0, ended.stderr
    children = children_at(registry, repository, index_at(registry, repository, "1"))
    assert len({layer["digest"] for each in children for layer in each["layers"]}) == 1
    wrong = ship(".#wrong", f"{name}:2", "--platforms", BOTH)
    assert wrong.code == 7, wrong.stderr
    assert "its image says that it is for linux/amd64" in wrong.stderr
    assert registry.manifest(repository, "2") is None


@pytest.fixture
def arm64_flake(flake: Path, git: Callable[..., str]) -> Path:
    """The flake with what its attribute `emulated` needs: qemu, and a program that it executes while it is built."""
    shutil.copy(emulator(), flake / "bin/qemu")
    (flake / "bin/program").write_bytes(arm64_program())
    (flake / "bin/program").chmod(0o755)
    git(flake, "add", "-A")
    return flake


def emulator() -> str:
    found = shutil.which("qemu-aarch64-static")
    assert found, "Debian's package qemu-user-static has it"
    return found


@pytest.mark.usefixtures("arm64_flake")
def test_a_program_of_another_processor_is_built_and_runs(
    ship: Ship, registry: Registry, tmp_path: Path
) -> None:
    repository = registry.new_repository()
    ended = ship(".#emulated", f"{registry.host}/{repository}:1", "--platforms", BOTH, "--base", "none")
    assert ended.code == 0, ended.stderr
    _, manifest = children_at(registry, repository, index_at(registry, repository, "1"))
    for layer in manifest["layers"]:
        blob = registry.blob(repository, layer["digest"])
        assert blob
        with tarfile.open(fileobj=io.BytesIO(blob)) as tar:
            tar.extractall(tmp_path / "image")
    (program,) = (tmp_path / "image").glob("nix/store/*-emulated/bin/emulated")
    subprocess.run([emulator(), program, tmp_path / "written"], check=True)
    assert (tmp_path / "written").read_bytes() == arm64_program()


@pytest.fixture
def binfmt() -> Iterator[None]:
    """The kernel executes programs for arm64 by qemu, as long as the test lasts. It takes root, and is the whole machine's."""
    place = Path("/proc/sys/fs/binfmt_misc")
    mounted = not (place / "register").exists()
    if mounted:
        subprocess.run(["mount", "-t", "binfmt_misc", "none", place], check=True)
    entry = place / "flakeship-test-arm64"
    try:
        magic = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
        (place / "register").write_text(f":{entry.name}:M::{magic}::{emulator()}:F")
        yield
    finally:
        if entry.exists():
            entry.write_text("-1")
        if mounted:
            subprocess.run(["umount", place], check=True)
    assert not entry.exists()


@pytest.mark.long
@pytest.mark.usefixtures("arm64_flake", "binfmt")
def test_docker_runs_the_image_of_another_processor(
    ship: Ship, registry: Registry, dockerd: Docker, tmp_path: Path
) -> None:
    name = f"{registry.host}/{registry.new_repository()}:1"
    assert ship(".#emulated", name, "--platforms", BOTH, "--base", "none").code == 0
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o777)  # the image is of a user without rights
    dockerd("pull", "-q", "--platform", "linux/arm64", name)
    try:
        inspected = json.loads(dockerd("image", "inspect", name))[0]
        assert inspected["Architecture"] == "arm64"
        (program,) = inspected["Config"]["Entrypoint"]
        dockerd("run", "--rm", "--platform", "linux/arm64", "-v", f"{out}:/out", name, "/out/written")
        assert program.endswith("/bin/emulated")
    finally:
        dockerd("image", "rm", "-f", name)
    assert (out / "written").read_bytes() == arm64_program()
