"""`sbom` of `publish`: every store path of an image is in its SBOM, which is attached before a tag names the image, once."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import requests

from flakeship.sources.nix2container.tree import LayerPath, WriterVersion, tar_pieces
from tests.commands.test_sbom import flake as flake  # noqa: PLC0414  a fixture
from tests.e2e.publishing import Run, runner
from tests.sbom.elf_files import RIPGREP, elf
from tests.sbom.knowing import store_path
from tests.sbom.validators import valid_cyclonedx, valid_spdx
from tests.sources.layouts import CONFIG, GZIP, MANIFEST, Layout, sha256
from tests.sources.store_trees import image_json, layer_json
from tests.testbed import archives
from tests.testbed.nix import NixBuild
from tests.testbed.registry import Registry
from tests.testbed.registry_proxy import FaultProxy
from tests.testbed.store_images import store_image

pytestmark = pytest.mark.slow

STORE_PATH = re.compile(r"/nix/store/[0-9a-z]{32}-[0-9A-Za-z+._?=-]+")


@pytest.fixture
def run(nix_environ: Mapping[str, str], tmp_path: Path) -> Run:
    return runner(nix_environ, tmp_path)


def attached(registry: Registry, repository: str, digest: str) -> list[tuple[str, str]]:
    """Type and content of what is attached to a manifest, in the order of the fallback index."""
    index = registry.manifest(repository, digest.replace(":", "-"))
    found = []
    for entry in index["manifests"] if index else ():
        manifest = registry.manifest(repository, entry["digest"])
        assert manifest
        assert manifest["subject"]["digest"] == digest
        (layer,) = manifest["layers"]
        assert manifest["artifactType"] == entry["artifactType"] == layer["mediaType"], "Trivy looks at these"
        blob = registry.blob(repository, layer["digest"])
        found.append((entry["artifactType"], (blob or b"").decode()))
    return found


def paths_in(text: str) -> set[str]:
    return {
        fact["value"].split()[0]
        for component in valid_cyclonedx(text)["components"]
        for fact in component["properties"]
        if fact["name"] == "nix:output"
    }


def nix2container(folder: Path, shapes: NixBuild) -> Path:
    paths = [str(shapes("hello")), str(shapes("stream"))]
    tars = [b"".join(tar_pieces([LayerPath(path.encode())], WriterVersion())) for path in paths]
    layers = [layer_json(sha256(tar), {"path": path}) for tar, path in zip(tars, paths, strict=True)]
    (folder / "image.json").write_bytes(image_json(layers))
    return folder / "image.json"


KINDS: dict[str, Callable[[Path, NixBuild], Path]] = {
    "package": lambda folder, shapes: shapes("hello"),
    "script": lambda folder, shapes: shapes("stream"),
    "archive": lambda folder, shapes: shapes("layered"),
    "archive without history": lambda folder, shapes: shapes("image"),
    "nix2container": nix2container,
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.long) if kind == "archive" else kind for kind in KINDS]
)
def test_every_store_path_is_in_the_sbom_and_a_second_run_adds_nothing(
    kind: str, run: Run, registry: Registry, shapes: NixBuild, tmp_path: Path
) -> None:
    source = KINDS[kind](tmp_path, shapes)
    repository = registry.new_repository()
    flags = ("--source", str(source), "--tags", f"{registry.host}/{repository}:1", "--sbom", "true,spdx")
    done = run(*flags)
    assert done.returncode == 0, done.stderr
    digest = done.stdout.strip().partition("@")[2]
    found = attached(registry, repository, digest)
    assert [kind for kind, _ in found] == ["application/vnd.cyclonedx+json", "application/spdx+json"]
    cyclonedx, spdx = (text for _, text in found)
    manifest = registry.manifest(repository, digest)
    assert manifest
    config = json.loads(registry.blob(repository, manifest["config"]["digest"]) or b"")
    expected = set(STORE_PATH.findall(json.dumps(config.get("history", []))))
    expected = {path for path in expected if not path.endswith("-customisation-layer")}
    if kind == "archive without history":
        expected = {archives.STORE_BUSYBOX, archives.STORE_HELLO}
    elif kind == "nix2container":  # this one is written without
        expected = {str(shapes("hello")), str(shapes("stream"))}
    assert expected
    assert paths_in(cyclonedx) == expected
    document = valid_spdx(spdx)
    assert all(any(path in each.get("comment", "") for each in document["packages"]) for path in expected)
    about = valid_cyclonedx(cyclonedx)["metadata"]["component"]
    assert (about["name"], about["version"]) == (f"{registry.host}/{repository}", digest)
    accesses = registry.accesses(repository)
    names = [
        each.path.rpartition("/")[2]
        for each in accesses
        if each.method == "PUT" and "/manifests/" in each.path
    ]
    assert names.index(digest.replace(":", "-")) < names.index("1"), "the tag is set last"
    again = run(*flags, "--labels", "a=1") if kind == "script" else run(*flags)
    assert again.returncode == 0, again.stderr
    if kind != "script":
        later = [
            each for each in registry.accesses(repository)[len(accesses) :] if each.method in {"PUT", "PATCH"}
        ]
        assert [each.path.rpartition("/")[2] for each in later] in ([], ["1"]), "the tag at most"
        assert attached(registry, repository, digest) == found
        return
    other = again.stdout.strip().partition("@")[2]
    (_, text), _ = attached(registry, repository, other)
    assert other != digest, "another image, of the same layers, which nobody reads"
    assert valid_cyclonedx(text)["components"] == valid_cyclonedx(cyclonedx)["components"]


def sbom(run_in: Path, environ: Mapping[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flakeship", "sbom", *argv]
    return subprocess.run(command, cwd=run_in, env=environ, capture_output=True, text=True, check=False)


def test_the_command_gives_what_is_attached_if_it_is_of_the_image(
    run: Run, registry: Registry, shapes: NixBuild, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    """Here for a published image that was not built: nobody reads its layers, and its history names the store paths."""
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}:1"
    flags = ("--source", str(shapes("hello")), "--tags", name, "--to", "oci:here")
    assert run(*flags).returncode == 0
    plain = sbom(tmp_path, nix_environ, name)
    assert "attached" not in plain.stderr
    done = run(*flags, "--sbom", "cyclonedx")
    assert done.returncode == 0, done.stderr
    digest = done.stdout.split()[0].partition("@")[2]
    ((_, text),) = attached(registry, repository, digest)
    (file,) = tmp_path.glob("flakeship-*.cdx.json")
    assert file.read_text() == text + "\n", "the layout keeps no referrers, so there is a file"
    given = sbom(tmp_path, nix_environ, name)
    assert given.stdout == text + "\n"
    assert "attached" in given.stderr
    assert paths_in(plain.stdout) == paths_in(text)
    forged = text.replace(digest, f"sha256:{'0' * 64}")
    forge(registry, repository, digest, forged.encode())
    made = sbom(tmp_path, nix_environ, name)
    assert made.returncode == 0, made.stderr
    assert f"it says that it lists what is in sha256:{'0' * 64}" in made.stderr
    assert made.stdout == plain.stdout, "then it is made from the image"


def forge(registry: Registry, repository: str, digest: str, document: bytes) -> None:
    """Put another document where the SBOM of an image is looked for."""
    blob = sha256(document)
    base = f"http://{registry.host}/v2/{repository}"
    place = requests.post(f"{base}/blobs/uploads/", timeout=10).headers["Location"]
    requests.put(place, params={"digest": blob}, data=document, timeout=10)
    tag = digest.replace(":", "-")
    index = registry.manifest(repository, tag)
    assert index
    manifest = registry.manifest(repository, index["manifests"][0]["digest"])
    assert manifest
    manifest["layers"][0] |= {"digest": blob, "size": len(document)}
    data = json.dumps(manifest).encode()
    headers = {"Content-Type": manifest["mediaType"]}
    requests.put(
        f"{base}/manifests/{sha256(data)}", data=data, headers=headers, timeout=10
    ).raise_for_status()
    index["manifests"][0] |= {"digest": sha256(data), "size": len(data)}
    headers = {"Content-Type": index["mediaType"]}
    requests.put(
        f"{base}/manifests/{tag}", data=json.dumps(index), headers=headers, timeout=10
    ).raise_for_status()


def layout_with(folder: Path, path: str, program: bytes) -> Path:
    """An OCI layout of one layer with one program, of whose contents nothing tells."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(f"{path.lstrip('/')}/bin/program")
        member.size, member.mode = len(program), 0o555
        tar.addfile(member, io.BytesIO(program))
    layout = Layout()
    config = {
        "os": "linux",
        "architecture": "amd64",
        "config": {"Cmd": [f"{path}/bin/program"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(buffer.getvalue())]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.json(config, CONFIG),
        "layers": [layout.blob(gzip.compress(buffer.getvalue()), GZIP)],
    }
    layout.listing(layout.json(manifest, MANIFEST)).folder(folder)
    return folder


def test_what_programs_carry_is_seen_as_layers_pass_and_a_file_lies_beside_the_metadata(
    run: Run, tmp_path: Path
) -> None:
    layout_with(tmp_path / "in", store_path("ripgrep-14.1.0"), elf({".dep-v0": RIPGREP}))
    for source, to in (("oci:in", "docker-archive:image.tar"), ("image.tar", "oci-archive:out.tar")):
        done = run("--source", source, "--to", to, "--sbom", "true", "--metadata-file", "report/result.json")
        assert done.returncode == 0, done.stderr
        (file,) = (tmp_path / "report").glob("*.cdx.json")
        found = {each["purl"]: each for each in valid_cyclonedx(file.read_text())["components"]}
        assert found.keys() == {
            "pkg:nix/ripgrep@14.1.0",
            "pkg:cargo/ripgrep@14.1.0",
            "pkg:cargo/regex@1.10.2",
            "pkg:cargo/memchr@2.6.4",
        }
        assert "their programs carry 3 packages" in re.sub(r"\s+", " ", done.stderr)
        file.unlink()


def test_an_sbom_that_a_registry_finds_too_large_costs_itself_alone(
    run: Run, registry: Registry, proxy: FaultProxy, shapes: NixBuild, tmp_path: Path
) -> None:
    name = f"{proxy.host}/{registry.new_repository()}:1"
    flags = ("--source", str(shapes("layered")), "--tags", name)
    assert run(*flags).returncode == 0
    for method in ("PATCH", "PUT"):
        proxy.fail_next(method, "/blobs/uploads/", status=413, times=9)
    done = run(*flags, "--sbom", "true", "--metadata-file", "result.json")
    assert done.returncode == 0, done.stderr
    assert name in done.stdout or "@sha256:" in done.stdout
    assert "does not take the SBOM of the image" in done.stderr
    assert "413" in done.stderr
    assert list(tmp_path.glob("flakeship-*.cdx.json")), "there it is a file"


@pytest.mark.long
def test_an_sbom_says_of_which_layers_it_was_not_made(
    run: Run, registry: Registry, shapes: NixBuild, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    """Those of a base image are not fetched for it, and `verify` does not call it wrong."""
    layout_with(tmp_path / "in", store_path("hello-1.0"), b"#!/bin/sh")
    base = f"{registry.host}/{registry.new_repository()}:1"
    assert run("--source", "oci:in", "--tags", base).returncode == 0
    name = f"{registry.host}/{registry.new_repository()}:1"
    flags = ("--source", str(shapes("hello")), "--base-image", f"docker://{base}", "--sbom", "true,spdx")
    done = run(*flags, "--tags", name)
    assert done.returncode == 0, done.stderr
    command = [sys.executable, "-m", "flakeship", "verify", name]
    found = subprocess.run(
        command, cwd=tmp_path, env=nix_environ, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.count("says itself that 1 layer was not looked into") == 2, found.stdout


@pytest.mark.long
@pytest.mark.parametrize("history", [False, True], ids=["read", "told"])
def test_an_sbom_is_not_called_wrong_for_what_a_layer_removes(
    run: Run, registry: Registry, tmp_path: Path, nix_environ: Mapping[str, str], *, history: bool
) -> None:
    """Whether the layers were read, or the history of those of Nix was believed, below one of another tool."""
    kept, gone = store_path("kept-1.0"), store_path("gone-1.0")
    layout = Layout()
    made = store_image(layout, [kept, gone], [f"/nix/store/.wh.{gone[11:]}"], history=history)
    manifest = json.loads(layout.blobs[made["digest"]])
    config = json.loads(layout.blobs[manifest["config"]["digest"]])
    config["history"][1]["comment"] = "RUN rm"
    layout.listing(layout.json({**manifest, "config": layout.json(config, CONFIG)}, MANIFEST)).folder(
        tmp_path / "in"
    )
    name = f"{registry.host}/{registry.new_repository()}:1"
    assert run("--source", "oci:in", "--sbom", "true", "--tags", name).returncode == 0
    command = [sys.executable, "-m", "flakeship", "verify", name]
    found = subprocess.run(
        command, cwd=tmp_path, env=nix_environ, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "names the one store path" in found.stdout, "its layers passed by when they were packed"


def test_a_published_image_gets_an_sbom_of_all_that_nix_tells_without_being_built(
    run: Run, registry: Registry, flake: Path
) -> None:
    """One of its packages has a `meta` that recurses for ever: that costs itself alone."""
    repository = registry.new_repository()
    flags = ("--flake", f"path:{flake}#app", "--tags", f"{registry.host}/{repository}:1")
    assert run(*flags).returncode == 0
    done = run(*flags, "--sbom", "true")
    assert done.returncode == 0, done.stderr
    assert "so nothing is built" in done.stderr
    assert "Nix can't evaluate what 1 package says of itself: endless-0.2" in done.stderr
    digest = done.stdout.strip().partition("@")[2]
    ((_, text),) = attached(registry, repository, digest)
    found = {each["name"]: each for each in valid_cyclonedx(text)["components"]}
    assert found["app"]["purl"] == "pkg:cargo/app@1.0.0"
    assert found["app"]["licenses"][0] == {"license": {"id": "MIT"}}
    assert found["app"]["pedigree"]["patches"]
    counts = {each["name"]: each["value"] for each in valid_cyclonedx(text)["metadata"]["properties"]}
    assert (
        counts["flakeship:paths"]
        == counts["flakeship:paths-read"]
        == counts["flakeship:paths-with-derivation"]
    )
