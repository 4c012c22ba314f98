"""Tags, labels and annotations on images in a real registry; and `flakeship metadata` as a user runs it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from flakeship.metadata.labels import PREFIX
from tests.metadata import events
from tests.sources.layouts import Layout
from tests.testbed.command import Publish
from tests.testbed.github_runner import Runner
from tests.testbed.nix import NixBuild
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


@pytest.fixture
def flake(make_flake: Callable[..., Path], git: Callable[..., str]) -> Path:
    folder = make_flake()
    git(folder, "remote", "add", "origin", "https://user:hunter2@git.example/me/app.git")
    return folder


def image(registry: Registry, repository: str, tag: str) -> tuple[dict[str, str], dict[str, str], str]:
    """Labels, annotations and the date."""
    manifest = registry.manifest(repository, tag)
    assert manifest
    blob = registry.blob(repository, manifest["config"]["digest"])
    assert blob
    config: dict[str, Any] = json.loads(blob)
    return config["config"].get("Labels", {}), manifest["annotations"], config["created"]


def test_the_flake_tells_what_ci_does_not_know(publish: Publish, flake: Path, registry: Registry) -> None:
    repository = registry.new_repository()
    ended = publish("--flake", ".#hello", "--tags", f"{registry.host}/{repository}:1", cwd=flake)
    assert ended.code == 0, ended.stderr
    labels, annotations, created = image(registry, repository, "1")
    wanted = {
        "title": "app",
        "description": "says hello",
        "licenses": "MIT AND GPL-3.0-or-later",
        "url": "https://git.example/me/app",
        "source": "https://git.example/me/app",
        "version": "main",
        "created": created,
    }
    assert {key: labels.get(PREFIX + key) for key in wanted} == wanted
    assert {key: annotations.get(PREFIX + key) for key in wanted} == wanted
    assert created == "2026-01-02T03:04:05Z"


def test_the_output_path_is_a_tag_before_it_is_built(
    publish: Publish, flake: Path, registry: Registry, shapes: NixBuild
) -> None:
    repository = registry.new_repository()
    name = f"{registry.host}/{repository}"
    flags = ("--images", name, "--tags", "type=nix,value=hash", "--tags", "type=nix,value=version,prefix=v")
    ended = publish("--flake", ".#hello", *flags, "--log-level", "debug", cwd=flake)
    assert ended.code == 0, ended.stderr
    built = shapes("hello").name.partition("-")[0]
    assert registry.digest(repository, built) == registry.digest(repository, "v2.12") != ""
    assert ended.stderr.count("nix eval ") == 1, ended.stderr
    labels, _, _ = image(registry, repository, built)
    assert labels[f"{PREFIX}version"] == built
    again = publish("--source", str(shapes("layered")), *flags[:4], cwd=flake)
    assert again.code == 0, again.stderr
    assert registry.digest(repository, shapes("layered").name.partition("-")[0])


def test_a_source_without_a_store_path_has_no_hash_to_be_tagged_with(
    publish: Publish, archive: Path, tmp_path: Path
) -> None:
    flags = ("--images", "o/n", "--tags", "type=nix,value=hash", "--to", "oci:there")
    ended = publish("--source", str(archive), *flags, cwd=tmp_path)
    assert ended.code == 0, ended.stderr
    assert "type=nix,value=hash: the build has no hash" in ended.stderr


def test_annotations_say_what_labels_say(
    publish: Publish, archive: Path, registry: Registry, tmp_path: Path
) -> None:
    repository = registry.new_repository()
    flags = ("--source", str(archive), "--tags", f"{registry.host}/{repository}:1", "--created", "keep")
    written = ("--labels", "team=north", "--annotations", "own=1", "--annotations", "index:far=2")
    assert publish(*flags, *written, "--annotations-from-labels", cwd=tmp_path).code == 0
    labels, annotations, _ = image(registry, repository, "1")
    assert labels["team"] == "north"
    assert f"{PREFIX}created" not in labels, "an archive comes from anywhere"
    assert annotations.items() >= {**labels, "own": "1"}.items()
    assert "far" not in annotations
    assert publish(*flags, *written, "--annotations-levels", "index", cwd=tmp_path).code == 0
    _, annotations, _ = image(registry, repository, "1")
    assert not {"own", "team", f"{PREFIX}created"} & set(annotations)


DESCRIPTION = f"{PREFIX}description"


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A layout with an index of two platforms."""
    layout = Layout()
    return layout.listing(layout.platforms("amd64", "arm64")).folder(tmp_path / "several")


def by_level(registry: Registry, repository: str) -> dict[str, dict[str, str]]:
    """Annotations of an index and all below it, the architecture in front of those of one platform."""
    index = registry.manifest(repository, "1")
    assert index
    found = {"index": index.get("annotations", {})}
    for entry in index["manifests"]:
        manifest = registry.manifest(repository, entry["digest"])
        assert manifest
        architecture = entry["platform"]["architecture"]
        found[f"{architecture} manifest"] = manifest.get("annotations", {})
        found[f"{architecture} descriptor"] = entry.get("annotations", {})
    return found


@pytest.mark.parametrize(
    ("levels", "described"),
    [
        ("", {"index", "amd64 manifest", "arm64 manifest"}),
        ("manifest", {"amd64 manifest", "arm64 manifest"}),
        ("index", {"index"}),
        ("index,manifest-descriptor", {"index", "amd64 descriptor", "arm64 descriptor"}),
        ("manifest[linux/arm64]", {"arm64 manifest"}),
        ("index-descriptor", set()),
    ],
)
def test_annotations_are_mirrored_at_the_levels_that_are_asked_for(
    publish: Publish, several: Path, registry: Registry, levels: str, described: set[str]
) -> None:
    """GHCR shows the description of an image of several platforms that the index has."""
    repository = registry.new_repository()
    environ = events.gitlab("branch main") or {}
    flags = ("--tags", f"{registry.host}/{repository}:1", "--annotations", "index:far=2")
    ended = publish("--source", str(several), *flags, **environ, DOCKER_METADATA_ANNOTATIONS_LEVELS=levels)
    assert ended.code == 0, ended.stderr
    found = by_level(registry, repository)
    assert {where for where, notes in found.items() if notes.get(DESCRIPTION) == "An app"} == described
    assert {where for where, notes in found.items() if notes.get("far") == "2"} == {"index"}


def test_annotations_of_descriptors_are_in_a_layouts_index(
    publish: Publish, several: Path, archive: Path
) -> None:
    written = ("--annotations", "index-descriptor:a=1", "--annotations", "manifest-descriptor:b=2")
    for source, expected in ((several, {"a": "1"}), (archive, {"b": "2"})):
        ended = publish(
            "--source", str(source), *written, "--to", f"oci:{source.name}.out:x,oci-archive:out.tar"
        )
        assert ended.code == 0, ended.stderr
        folder = json.loads((several.parent / f"{source.name}.out/index.json").read_text())
        with tarfile.open(several.parent / "out.tar") as tar:
            packed = json.load(tar.extractfile("index.json") or io.BytesIO())
        assert folder["manifests"][0]["annotations"] == {**expected, "org.opencontainers.image.ref.name": "x"}
        assert packed["manifests"][0]["annotations"].items() >= expected.items()


def test_a_gitlab_job_without_inputs_goes_to_its_own_registry(
    publish: Publish, archive: Path, registry: Registry
) -> None:
    repository = registry.new_repository()
    environ = {**(events.gitlab("tag v1.2.3") or {}), "CI_REGISTRY_IMAGE": f"{registry.host}/{repository}"}
    ended = publish("--source", str(archive), **environ)
    assert ended.code == 0, ended.stderr
    assert registry.digest(repository, "v1.2.3") == registry.digest(repository, "latest") != ""


def run(cwd: Path, environ: Mapping[str, str], *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flakeship", "metadata", *flags],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_definition_gives_the_same_everywhere(
    flake: Path, nix_environ: Mapping[str, str], git: Callable[..., str], tmp_path: Path
) -> None:
    git(flake, "tag", "v1.2.3")
    git(flake, "checkout", "-q", "v1.2.3")
    flags = (
        "--images",
        "ghcr.io/octo/app",
        "--tags",
        "type=semver,pattern={{version}}",
        "--tags",
        "type=edge",
    )
    gitlab = events.gitlab("tag v1.2.3")
    assert gitlab is not None
    found = [
        run(flake, {**nix_environ, **environ}, *flags, "--json")
        for environ in ({}, events.github("tag v1.2.3", tmp_path), gitlab)
    ]
    assert [ended.returncode for ended in found] == [0, 0, 0]
    assert {tuple(json.loads(ended.stdout)["tags"]) for ended in found} == {
        ("ghcr.io/octo/app:1.2.3", "ghcr.io/octo/app:latest")
    }
    assert "hunter2" not in "".join(ended.stdout + ended.stderr for ended in found)


def test_the_command_asks_nix_for_its_tags_alone(
    flake: Path, nix_environ: Mapping[str, str], shapes: NixBuild
) -> None:
    without = run(flake, {**nix_environ, "PATH": "/nowhere"}, "--images", "o/n", "--tags", "1")
    assert without.returncode == 0, without.stderr
    tags = ("--tags", "type=nix,value=hash")
    ended = run(flake, nix_environ, "--flake", ".#hello", "--images", "o/n", *tags, "--explain")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{shapes('hello').name.partition('-')[0]}  type=nix,value=hash\n"
    failed = run(flake, nix_environ, "--flake", ".#helo", *tags)
    assert failed.returncode == 3


def test_a_mistake_is_named_with_its_place(tmp_path: Path, nix_environ: Mapping[str, str]) -> None:
    ended = run(tmp_path, nix_environ, "--tags", "type=sha\ntype=ref,event=brunch")
    assert ended.returncode == 2
    assert "tags, line 2, column 16: unknown event 'brunch'" in ended.stderr


@pytest.mark.parametrize("form", ["", "--json", "--explain", "--bake"])
def test_the_runner_obeys_nothing_of_what_is_printed(
    form: str, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    """Such as a pull request's title in a label."""
    environ = {**nix_environ, **events.github("branch main", tmp_path), "INPUT_BAKE_FOLDER": str(tmp_path)}
    labels = 'a=x ##[add-mask]main\n"b=\n::set-output name=tags::evil\r::add-mask::x\x1b[0m"'
    tags = "type=raw,value=a##[error]x"
    ended = run(
        tmp_path, environ, "--images", "o/n", "--labels", labels, "--tags", tags, *filter(None, [form])
    )
    assert ended.returncode == 0, ended.stderr
    log = Runner().read(ended.stdout)
    assert (log.obeyed, log.stopped) == ([], "")
    assert "\x1b" not in ended.stdout
