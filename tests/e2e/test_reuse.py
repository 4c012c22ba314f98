"""A fresh runner that has nothing but the registry: what is published there is not read, not packed and not sent again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.commands.publish.test_metadata_document import validator
from tests.testbed import archive_shapes, archives
from tests.testbed.registry import Access, Registry

pytestmark = pytest.mark.slow

Publish: TypeAlias = Callable[..., str]


@pytest.fixture
def publish(nix_environ: Mapping[str, str], tmp_path: Path) -> Publish:
    """Run `flakeship publish --log-level debug` and give its stderr; the result stands in tmp_path/result.json."""

    def run(*flags: str, cwd: Path = tmp_path) -> str:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "flakeship", "publish", "--log-level", "debug", *flags),
                *("--metadata-file", str(tmp_path / "result.json")),
            ],
            cwd=cwd,
            env=nix_environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run


@pytest.fixture(params=["layered.tar", "layered.tar.gz", "layered.tar.zst"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    archives.write_all(tmp_path / "archives")
    return str(tmp_path / "archives" / str(request.param))


def tar(number: int) -> bytes:
    """A layer with one file."""
    return archive_shapes.packed([archive_shapes.Item(f"file-{number}", f"{number:06}".encode())])


def result(tmp_path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((tmp_path / "result.json").read_text())
    validator().validate(document)
    return document


def states(tmp_path: Path) -> list[str]:
    return [blob["state"] for blob in result(tmp_path)["flakeship.destinations"][0]["blobs"]]


def requests(registry: Registry, repository: str, before: int) -> list[Access]:
    return registry.accesses(repository)[before:]


def writes(accesses: list[Access]) -> list[str]:
    return [
        access.path.split("/", 4)[-1].split("?")[0][:17]
        for access in accesses
        if access.method in {"PATCH", "PUT"}
    ]


def test_a_label_costs_a_config_and_a_manifest(
    publish: Publish, archive: str, registry: Registry, tmp_path: Path
) -> None:
    repository = registry.new_repository()
    tag = f"{registry.host}/{repository}:1"
    publish("--source", archive, "--tags", tag, "--labels", "a=1\nb=1")
    before = len(registry.accesses(repository))
    said = publish("--source", archive, "--tags", tag, "--labels", "a=2")
    accesses = requests(registry, repository, before)
    assert " reading " not in said
    assert states(tmp_path) == ["reused", "reused", "reused", "uploaded"]
    puts = [access for access in accesses if access.method == "PUT"]
    assert len(puts) == 2  # the config's blob, and the manifest by its tag
    asked = [access.path for access in accesses if access.method == "HEAD" and "/blobs/sha256" in access.path]
    assert len(asked) == len(set(asked)) == 4  # each layer's size, and whether the config is there
    manifest = registry.manifest(repository, "1")
    assert manifest
    config = json.loads(registry.blob(repository, manifest["config"]["digest"]) or b"")
    assert config["config"]["Labels"]["a"] == "2"
    assert "b" not in config["config"]["Labels"]


def test_an_identical_push_takes_ten_requests_at_most(
    publish: Publish, registry: Registry, tmp_path: Path
) -> None:
    source = tmp_path / "sixty.tar"
    source.write_bytes(archive_shapes.archive([tar(number) for number in range(60)]))
    repository = registry.new_repository()
    flags = ("--source", str(source), "--tags", f"{registry.host}/{repository}:1", "--created", "keep")
    publish(*flags)
    before = len(registry.accesses(repository))
    publish(*flags)
    accesses = requests(registry, repository, before)
    assert len(accesses) <= 9, accesses  # and one for /v2/
    assert not [access for access in accesses if access.method in {"PUT", "PATCH"}]
    assert set(states(tmp_path)) == {"reused"}


def test_one_layer_that_changed_is_sent_alone(publish: Publish, registry: Registry, tmp_path: Path) -> None:
    layers = [tar(number) for number in range(10)]
    source, repository = tmp_path / "image.tar", registry.new_repository()
    flags = ("--source", str(source), "--tags", f"{registry.host}/{repository}:1")
    source.write_bytes(archive_shapes.archive(layers))
    publish(*flags)
    layers[4] = tar(99)
    source.write_bytes(archive_shapes.archive(layers))
    said = publish(*flags)
    assert said.count(" reading ") == 1
    assert states(tmp_path) == ["reused"] * 4 + ["uploaded"] + ["reused"] * 5 + ["uploaded"]


def test_what_another_tool_pushed_serves_as_well(
    publish: Publish, registry: Registry, tmp_path: Path, nix_environ: Mapping[str, str]
) -> None:
    archives.write_all(tmp_path / "archives")
    source, repository = tmp_path / "archives/layered.tar", registry.new_repository()
    subprocess.run(
        ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", f"docker-archive:{source}",
         f"docker://{registry.host}/{repository}:latest"],
        check=True, env=dict(nix_environ), capture_output=True,
    )  # fmt: skip
    publish("--source", str(source), "--tags", f"{registry.host}/{repository}:1")
    assert states(tmp_path) == ["reused"] * 3 + ["uploaded"]


def test_layers_are_mounted_from_another_repository(
    publish: Publish, archive: str, registry: Registry, tmp_path: Path
) -> None:
    first, second = registry.new_repository(), registry.new_repository()
    publish("--source", archive, "--tags", f"{registry.host}/{first}:1")
    said = publish(
        "--source",
        archive,
        "--tags",
        f"{registry.host}/{second}:1",
        "--reuse-from",
        f"{registry.host}/{first}:1",
    )
    assert states(tmp_path)[:3] == ["mounted"] * 3
    assert " reading " not in said


def test_reuse_off_packs_all_anew(publish: Publish, archive: str, registry: Registry) -> None:
    repository = registry.new_repository()
    flags = ("--source", archive, "--tags", f"{registry.host}/{repository}:1")
    publish(*flags)
    assert publish(*flags, "--reuse", "off").count(" reading ") == 3


def test_a_blob_that_is_gone_is_sent_again(
    publish: Publish, archive: str, registry: Registry, tmp_path: Path
) -> None:
    repository = registry.new_repository()
    flags = ("--source", archive, "--tags", f"{registry.host}/{repository}:1")
    publish(*flags, "--labels", "a=1")
    manifest = registry.manifest(repository, "1")
    assert manifest
    lost = manifest["layers"][1]["digest"]
    assert registry.request("DELETE", f"{repository}/blobs/{lost}", repository=repository).ok
    publish(*flags, "--labels", "a=2")
    assert states(tmp_path) == ["reused", "uploaded", "reused", "uploaded"]
    assert registry.blob(repository, lost)


def test_what_is_published_is_not_even_built(
    publish: Publish, make_flake: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    folder = make_flake()
    for attribute in ("layered", "stream"):
        repository = registry.new_repository()
        tag = f"{registry.host}/{repository}:1"
        flags = ("--flake", f".#{attribute}", "--tags", tag)
        publish(*flags, "--labels", "a=1\nonce=1", "--rebuild", "always", cwd=folder)
        built = result(tmp_path)
        said = publish(*flags, "--labels", "a=2", cwd=folder)
        assert "nothing is built" in said
        found = result(tmp_path)
        for key in ("derivation", "outputs", "flake", "diff-ids"):
            assert found[f"flakeship.{key}"] == built[f"flakeship.{key}"], (
                "it says what it was made from all the same"
            )
        assert f"as large as the last {tag}" in said
        assert "nix build" not in said
        assert states(tmp_path) == ["reused"] * 3 + ["uploaded"]
        skipped = registry.digest(repository, "1")
        publish(*flags, "--labels", "a=2", "--reuse", "off", cwd=folder)
        assert registry.digest(repository, "1") == skipped  # exact: as if it had been built


def test_a_closure_is_recognised_without_reading_the_store(
    publish: Publish, make_flake: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    folder, repository = make_flake(), registry.new_repository()
    flags = ("--flake", ".#hello", "--tags", f"{registry.host}/{repository}:1", "--max-layers", "3")
    publish(*flags, "--labels", "a=1", cwd=folder)
    said = publish(*flags, "--labels", "a=2", cwd=folder)
    assert " reading " not in said
    assert set(states(tmp_path)[:-1]) == {"reused"}
    publish(*flags, "--labels", "a=2", "--reuse", "off", cwd=folder)
    assert set(states(tmp_path)) == {"reused"}  # the same bytes, found by their digest
