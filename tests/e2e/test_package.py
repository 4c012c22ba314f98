"""A plain package, published as a user does it: real Nix, a real registry, and a real engine that runs the result."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.testbed import archives
from tests.testbed.archives import BUSYBOX
from tests.testbed.docker import Docker
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parent.parent.parent / "examples/package"
Publish: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "package")
    (tmp_path / "package/bin").mkdir()
    shutil.copy(BUSYBOX, tmp_path / "package/bin/busybox")
    return tmp_path / "package"


@pytest.fixture
def publish(folder: Path, nix_environ: Mapping[str, str]) -> Publish:
    """Run `flakeship publish` on the example with these flags."""

    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        what = () if any(flag.startswith(("--flake", "--source")) for flag in flags) else ("--flake=path:.",)
        return subprocess.run(
            [sys.executable, "-m", "flakeship", "publish", *what, *flags],
            cwd=folder,
            env=nix_environ,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def name(registry: Registry) -> str:
    return f"{registry.host}/{registry.new_repository()}"


def config_of(registry: Registry, name: str, tag: str) -> dict[str, Any]:
    repository = name.partition("/")[2]
    manifest = registry.manifest(repository, tag)
    assert manifest
    return dict(json.loads(registry.blob(repository, manifest["config"]["digest"]) or b""))


def test_an_engine_runs_a_package(publish: Publish, dockerd: Docker, name: str) -> None:
    done = publish("--tags", f"{name}:1.0", "--contents", "path:.#certificates", "--contents", "path:.#shell")
    assert done.returncode == 0, done.stderr
    reference = done.stdout.strip()
    try:
        dockerd("pull", "--quiet", reference)
        assert dockerd("run", "--rm", "--network=none", reference, "hello") == "Hello from a package!\n"
        shell = ("run", "--rm", "--network=none", "--entrypoint", "/bin/sh", reference, "-c")
        assert dockerd(*shell, "id") == "uid=65532(nonroot) gid=65532(nonroot) groups=65532(nonroot)\n"
        assert dockerd(*shell, "cat $SSL_CERT_FILE /etc/ssl/certs/ca-bundle.crt").count("BEGIN") == 2
        assert (
            dockerd(*shell, "echo kept > /tmp/a && cat /tmp/a && cd ~ && echo x > mine && cat mine")
            == "kept\nx\n"
        )
        assert dockerd(*shell, "greet hello") == "Hello from a package!\n"
        assert dockerd(*shell, "ls -ld /nix/store").startswith("drwxr-xr-x")
    finally:
        dockerd.run("image", "rm", "--force", reference)


def test_each_store_path_is_a_layer_that_survives(
    publish: Publish, registry: Registry, name: str, folder: Path
) -> None:
    repository = name.partition("/")[2]
    assert publish("--tags", f"{name}:1").returncode == 0
    first = registry.manifest(repository, "1")
    assert first
    assert len(first["layers"]) == 4
    assert all("dev.flakeship.layer.key" in layer["annotations"] for layer in first["layers"])
    text = (folder / "flake.nix").read_text()
    (folder / "flake.nix").write_text(text.replace("greet-1.0", "greet-1.1"))
    uploads = len(registry.accesses(f"{repository}/blobs/uploads/"))
    assert publish("--tags", f"{name}:2", "--reuse-from", "1").returncode == 0
    second = registry.manifest(repository, "2")
    assert second
    changed = [
        old["digest"] != new["digest"] for old, new in zip(first["layers"], second["layers"], strict=True)
    ]
    assert changed == [False, False, True, False]
    puts = [
        entry
        for entry in registry.accesses(f"{repository}/blobs/uploads/")[uploads:]
        if entry.method == "PUT"
    ]
    assert len(puts) == 2, "the changed layer and the config"


def test_fewer_layers_than_paths(publish: Publish, registry: Registry, name: str) -> None:
    assert publish("--tags", f"{name}:1", "--max-layers", "3").returncode == 0
    config = config_of(registry, name, "1")
    comments = [entry["comment"] for entry in config["history"]]
    assert [comment.count("/nix/store/") for comment in comments] == [2, 1, 0]
    assert "greet-1.0" in comments[1]


def test_the_same_closure_gives_the_same_digest_after_optimising(
    publish: Publish, registry: Registry, name: str, nix_environ: Mapping[str, str]
) -> None:
    repository = name.partition("/")[2]
    flags = ("--created", "2026-01-01T00:00:00Z", "--reuse", "off")
    assert publish("--tags", f"{name}:1", *flags).returncode == 0
    subprocess.run(["nix-store", "--optimise"], env=nix_environ, check=True, capture_output=True)
    assert publish("--tags", f"{name}:2", *flags).returncode == 0
    assert registry.digest(repository, "1") == registry.digest(repository, "2") != ""


def test_the_debug_variant_has_a_shell(publish: Publish, registry: Registry, name: str, folder: Path) -> None:
    repository = name.partition("/")[2]
    done = publish("--tags", f"{name}:1", "--debug", "--debug-shell", "path:.#shell")
    assert done.returncode == 0, done.stderr
    assert registry.tags(repository) == ["1", "1-debug"]
    assert [line.split("@")[0] for line in done.stdout.splitlines()] == [name, name]
    plain, debug = (registry.manifest(repository, tag) for tag in ("1", "1-debug"))
    assert plain
    assert debug
    shared = {layer["digest"] for layer in plain["layers"]} & {layer["digest"] for layer in debug["layers"]}
    assert len(shared) == 3
    env = config_of(registry, name, "1-debug")["config"]["Env"]
    assert env[0].endswith("/bin:/bin")
    assert not config_of(registry, name, "1")["config"]["Env"][0].endswith(":/bin")
    again = publish("--tags", f"{name}:1", "--debug", "--debug-shell", "path:.#shell")
    assert (again.returncode, "no effect" in again.stderr) == (0, False), again.stderr
    assert (
        f"note: the image with a shell: {name}:1-debug, {registry.digest(repository, '1-debug')}"
        in again.stderr
    )
    assert done.stdout == again.stdout
    alone = publish("--tags", f"{name}:1", "--to", "oci:lay", "--debug", "--debug-shell", "path:.#shell")
    names = [
        entry["annotations"]["org.opencontainers.image.ref.name"]
        for entry in json.loads((folder / "lay/index.json").read_text())["manifests"]
    ]
    assert (alone.returncode, sorted(names)) == (0, ["1", "1-debug"]), alone.stderr
    before = registry.digest(repository, "1")
    assert publish("--tags", f"{name}:1").returncode == 0
    assert registry.digest(repository, "1") == before, "the image is the same beside its variant and alone"


def test_the_debug_variant_needs_a_place_of_its_own(publish: Publish, tmp_path: Path) -> None:
    done = publish(
        "--to", f"docker-archive:{tmp_path}/image.tar:a:1", "--debug", "--debug-shell", "path:.#shell"
    )
    assert done.returncode == 2
    assert "holds one image, but `--debug` makes two" in done.stderr
    assert "building" not in done.stderr


def test_a_package_that_is_built_already(
    publish: Publish, nix_environ: Mapping[str, str], folder: Path, tmp_path: Path
) -> None:
    built = subprocess.run(
        ["nix", "build", "--json", "--no-link", "path:."],
        cwd=folder,
        env=nix_environ,
        check=True,
        capture_output=True,
    )
    path = json.loads(built.stdout)[0]["outputs"]["out"]
    done = publish("--source", path, "--to", f"oci:{tmp_path}/layout")
    assert done.returncode == 0, done.stderr
    inspected = subprocess.run(
        ["skopeo", "inspect", "--config", f"oci:{tmp_path}/layout"], check=True, capture_output=True
    )
    config = json.loads(inspected.stdout)
    assert config["config"]["Entrypoint"] == [f"{path}/bin/greet"]
    assert config["architecture"] == "amd64"


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--flake=path:.#phrases"], 4, "nor a package with a program"),
        (["--contents=path:.#nothing"], 3, "nothing"),
        (["--contents=-x"], 2, "contents: '-x' is not an installable"),
        (["--contents=/nix/store/none"], 2, "/nix/store/none"),
    ],
)
def test_what_can_t_be_an_image(
    publish: Publish, tmp_path: Path, flags: list[str], code: int, words: str
) -> None:
    done = publish("--to", f"oci:{tmp_path}/layout", *flags)
    assert done.returncode == code, done.stderr
    assert words in done.stderr


def test_on_a_base_image_of_the_same_registry(
    publish: Publish, registry: Registry, dockerd: Docker, name: str
) -> None:
    """Its layers are mounted: nothing of them is sent."""
    base, repository = f"{registry.host}/{registry.new_repository()}", name.partition("/")[2]
    made = publish(
        "--flake=path:.#shell", "--tags", f"{base}:1", "--entrypoint", '["/bin/sh"]', "--env", "LANG=C"
    )
    assert made.returncode == 0, made.stderr
    done = publish("--tags", f"{name}:1", "--base-image", f"docker://{base}:1")
    assert done.returncode == 0, done.stderr
    below, whole = registry.manifest(base.partition("/")[2], "1"), registry.manifest(repository, "1")
    assert below
    assert whole
    digests = [layer["digest"] for layer in below["layers"]]
    assert [layer["digest"] for layer in whole["layers"]][: len(digests)] == digests
    mounts = [
        entry for entry in registry.accesses(f"{repository}/blobs/uploads/?mount=") if entry.status == 201
    ]
    assert len(mounts) >= len(digests)
    reference = done.stdout.strip()
    try:
        dockerd("pull", "--quiet", reference)
        assert dockerd("run", "--rm", "--network=none", reference, "hello") == "Hello from a package!\n"
    finally:
        dockerd.run("image", "rm", "--force", reference)


def test_contents_over_a_base_whose_bin_is_a_link(
    publish: Publish, registry: Registry, dockerd: Docker, name: str, tmp_path: Path
) -> None:
    """As in Debian, Fedora and the like: what the base has must still be found where it was."""
    tree: dict[str, bytes | str] = {
        "bin": "usr/bin",
        "usr/bin/busybox": BUSYBOX.read_bytes(),
        "usr/bin/sh": "busybox",
        "etc/motd": b"base\n",
    }
    layer = archives.layer_tar(tree)
    config = archives.config() | {
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]}
    }
    documents = {"manifest.json": [{"Config": "config.json", "Layers": ["layer.tar"]}], "config.json": config}
    written = [(file, json.dumps(document).encode()) for file, document in documents.items()]
    base, archive = f"{registry.host}/{registry.new_repository()}", tmp_path / "base.tar"
    archive.write_bytes(archives.outer([("layer.tar", layer), *written]))
    assert publish("--source", str(archive), "--tags", f"{base}:1").returncode == 0
    done = publish(
        "--tags", f"{name}:1", "--base-image", f"docker://{base}:1", "--contents", "path:.#certificates"
    )
    assert done.returncode == 0, done.stderr
    reference = done.stdout.strip()
    try:
        dockerd("pull", "--quiet", reference)
        shell = ("run", "--rm", "--network=none", "--entrypoint", "/bin/sh", reference, "-c")
        said = dockerd(*shell, "busybox cat /etc/motd /etc/ssl/certs/ca-bundle.crt $SSL_CERT_FILE")
        assert said == "base\n" + "-----BEGIN CERTIFICATE-----\n" * 2
    finally:
        dockerd.run("image", "rm", "--force", reference)


@pytest.mark.parametrize(
    ("base", "words"),
    [("debian:12", "write docker://debian:12"), ("docker://{}:gone", "there is no image")],
)
def test_a_base_image_that_is_not_there(
    publish: Publish, name: str, tmp_path: Path, base: str, words: str
) -> None:
    done = publish("--to", f"oci:{tmp_path}/layout", "--base-image", base.format(name))
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "building" not in done.stderr


def test_inputs_for_packages_beside_an_image(
    publish: Publish, make_flake: Callable[..., Path], tmp_path: Path
) -> None:
    image = f"--flake=path:{make_flake('image')}#layered"
    done = publish(image, "--to", f"oci:{tmp_path}/layout", "--max-layers", "5", "--base", "none")
    assert done.returncode == 0, done.stderr
    assert "is an image already, so base, max-layers" in done.stderr
    assert "is an image already" not in publish("--to", f"oci:{tmp_path}/other", "--base", "none").stderr
