"""Images from elsewhere than dockerTools, published to a real registry, and run or read by tools that are not ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from flakeship.sources.nix2container.patterns import GoPattern
from flakeship.sources.nix2container.tree import LayerPath, WriterVersion, tar_pieces
from tests.e2e.publishing import Publish, Run, layers, publisher, runner
from tests.sources.layouts import REF_NAME, Layout, sha256
from tests.sources.store_trees import image_json, layer_json
from tests.testbed import archives
from tests.testbed.docker import Docker
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


@pytest.fixture
def run(nix_environ: Mapping[str, str], tmp_path: Path) -> Run:
    return runner(nix_environ, tmp_path)


@pytest.fixture
def publish(run: Run) -> Publish:
    return publisher(run)


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A layout with an index of two platforms."""
    layout = Layout()
    return layout.listing(layout.platforms("amd64", "arm64", annotations={REF_NAME: "v1"})).folder(
        tmp_path / "several"
    )


def architectures(registry: Registry, repository: str, reference: str) -> list[str]:
    index = registry.manifest(repository, reference)
    assert index
    return [entry["platform"]["architecture"] for entry in index["manifests"]]


def test_an_index_is_published_as_one(publish: Publish, registry: Registry, several: Path) -> None:
    name = registry.new_repository()
    reference = f"{registry.host}/{name}:1.0"
    publish("--source", str(several), "--tags", reference, "--annotations", "index:team=north")
    assert architectures(registry, name, "1.0") == ["amd64", "arm64"]
    index = registry.manifest(name, "1.0")
    assert index
    assert index["annotations"] == {"team": "north"}
    for architecture in ("amd64", "arm64"):
        command = ["skopeo", "inspect", "--tls-verify=false", "--override-arch", architecture]
        seen = json.loads(
            subprocess.run([*command, f"docker://{reference}"], capture_output=True, check=True).stdout
        )
        assert seen["Architecture"] == architecture
    before = len(registry.accesses(name))
    publish("--source", f"docker://{reference}", "--tags", f"{reference}-again", "--labels", "a=b")
    assert architectures(registry, name, "1.0-again") == ["amd64", "arm64"]
    assert not [entry for entry in registry.accesses(name)[before:] if entry.method == "PATCH"][2:]


def test_one_platform_of_an_index(publish: Publish, registry: Registry, several: Path) -> None:
    name = registry.new_repository()
    publish("--source", str(several), "--tags", f"{registry.host}/{name}:1", "--platforms", "linux/arm64")
    manifest = registry.manifest(name, "1")
    assert manifest
    assert "layers" in manifest


def test_an_index_and_a_destination_for_one_image(run: Run, several: Path) -> None:
    done = run("--source", str(several), "--to", "docker-archive:out.tar")
    assert done.returncode == 2
    assert "takes one image, but the source holds one for each of linux/amd64, linux/arm64" in done.stderr
    assert "choose one with `--platforms`" in done.stderr


@pytest.mark.parametrize("name", ["merge-docker-images", "plain.tar"])
def test_one_image_of_several(publish: Publish, registry: Registry, tmp_path: Path, name: str) -> None:
    archives.write_all(tmp_path / "archives")
    (tmp_path / "archives/plain.tar").write_bytes(archives.merged("a/one:1", "registry.example/two:2"))
    repository = registry.new_repository()
    publish(
        *("--source", f"archives/{name}", "--image-in-archive", "registry.example/two:2"),
        *("--tags", f"{registry.host}/{repository}:1"),
    )
    assert registry.tags(repository) == ["1"]
    assert len(layers(registry, repository, "1")) == len(archives.LAYERS)


@pytest.mark.parametrize(
    "source",
    [
        ("--source", "archives/layered.tar"),
        ("--source", "archives/docker-image-shapes.tar.gz"),
        ("--source", "archives/merge-docker-images", "--image-in-archive", "2"),
        ("--source", "oci"),
        ("--source", "docker://{registry}:own"),
        ("--flake", "{flake}#stream"),
        ("--flake", "{flake}#hello"),
    ],
)
def test_how_a_container_starts_is_said_alike_for_every_source(
    publish: Publish, make_flake: MakeFlake, registry: Registry, tmp_path: Path, source: tuple[str, ...]
) -> None:
    """nix2container's are among the tests of its source: they differ by their layers alone."""
    name = f"{registry.host}/{registry.new_repository()}"
    archives.write_all(tmp_path / "archives")
    if {"oci", "docker://{registry}:own"} & set(source):
        publish("--source", "archives/layered.tar", "--to", "oci:oci", "--tags", f"{name}:own")
    flake = f"path:{make_flake()}" if "--flake" in source else ""
    words = [word.format(registry=name, flake=flake) for word in source]
    start = (
        "--entrypoint",
        '["/bin/app", "a b"]',
        "--cmd",
        "serve 'c d'",
        "--user",
        "7:8",
        "--workdir",
        "/srv",
    )
    rest = ("--expose", "8080", "--volumes", "/data", "--stop-signal", "SIGINT", "--env=NEW=1", "--env=-PATH")
    publish(*words, *start, *rest, "--healthcheck", 'CMD ["/bin/true"]', "--tags", f"{name}:1")
    manifest = registry.manifest(name.partition("/")[2], "1")
    assert manifest
    config = json.loads(registry.blob(name.partition("/")[2], manifest["config"]["digest"]) or b"")["config"]
    assert "NEW=1" in config["Env"]
    assert not any(entry.startswith("PATH=") for entry in config["Env"])
    assert {key: value for key, value in config.items() if key not in {"Env", "Labels"}} == {
        "Entrypoint": ["/bin/app", "a b"],
        "Cmd": ["serve", "c d"],
        "User": "7:8",
        "WorkingDir": "/srv",
        "ExposedPorts": {"8080/tcp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "/bin/true"]},
    }


@pytest.fixture
def store_image(nix_environ: Mapping[str, str], tmp_path: Path) -> Path:
    """nix2container's JSON of an image of two real store paths, one of them moved to `/`."""

    def added(name: str, files: Mapping[str, bytes]) -> str:
        for file, content in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_bytes(content)
            (tmp_path / name / file).chmod(0o755)
        command = ["nix", "store", "add-path", "--name", name, str(tmp_path / name)]
        return subprocess.run(
            command, env=nix_environ, capture_output=True, text=True, check=True
        ).stdout.strip()

    busybox = added("box", {"bin/busybox": archives.BUSYBOX.read_bytes()})
    hello = added("root", {"bin/hello": f"#!{busybox}/bin/busybox sh\necho Hello, store!\n".encode()})
    moved = {"path": hello, "options": {"rewrite": {"regex": f"^{hello}", "repl": ""}}}
    tar = [b"".join(tar_pieces([LayerPath(busybox.encode())], WriterVersion()))]
    tar.append(
        b"".join(tar_pieces([LayerPath(hello.encode(), (GoPattern(f"^{hello}"), ""))], WriterVersion()))
    )
    document = image_json(
        [layer_json(sha256(tar[0]), {"path": busybox}), layer_json(sha256(tar[1]), moved)],
        **{"image-config": {"Cmd": ["/bin/hello"]}, "arch": "amd64"},
    )
    (tmp_path / "image.json").write_bytes(document)
    return tmp_path / "image.json"


def test_docker_runs_an_image_of_nix2container(
    publish: Publish, registry: Registry, dockerd: Docker, store_image: Path
) -> None:
    name = f"{registry.host}/{registry.new_repository()}"
    reference = publish("--source", str(store_image), "--tags", f"{name}:1", "--labels", "a=b")
    try:
        dockerd("pull", "--quiet", reference)
        assert dockerd("run", "--rm", reference) == "Hello, store!\n"
    finally:
        dockerd.run("image", "rm", "--force", reference)


def test_a_flake_that_gives_an_index_gives_it_again(
    publish: Publish, registry: Registry, several: Path, tmp_path: Path
) -> None:
    """What is published already may save the build, and never the other platforms."""
    shutil.copytree(archives.BUSYBOX.parent, tmp_path / "flake/bin", ignore=_all_but_busybox)
    several.rename(tmp_path / "flake/layout")
    (tmp_path / "flake/flake.nix").write_text("""{
      outputs = { ... }: {
        packages.x86_64-linux.default = derivation {
          name = "layout";
          system = "x86_64-linux";
          builder = "${./bin}/busybox";
          args = [ "cp" "-r" "${./layout}" (placeholder "out") ];
        };
      };
    }""")
    name = registry.new_repository()
    for label in ("a=1", "a=2"):
        publish("--flake", "path:./flake", "--tags", f"{registry.host}/{name}:1", "--labels", label)
        assert architectures(registry, name, "1") == ["amd64", "arm64"]


def _all_but_busybox(_: str, names: list[str]) -> set[str]:
    return set(names) - {"busybox"}


def test_an_archive_of_ours_is_a_layout_again(publish: Publish, tmp_path: Path) -> None:
    """It is what docker save writes since 25: both forms in one tar."""
    (tmp_path / "image.tar").write_bytes(archives.layered())
    publish("--source", "image.tar", "--to", "docker-archive:saved.tar,oci:first:x")
    publish("--source", "saved.tar", "--to", "oci:second:x", "--compression", "zstd")
    found = []
    for layout in ("first", "second"):
        index = json.loads((tmp_path / layout / "index.json").read_text())
        digest = index["manifests"][0]["digest"].replace(":", "/")
        found.append(json.loads((tmp_path / layout / "blobs" / digest).read_text())["layers"])
    assert found[0] == found[1]
