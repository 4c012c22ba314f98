"""Indexes and configs as a user publishes them: what arrives in a registry, and what is never sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.publishing import Publish, Run, publisher, runner
from tests.sources.layouts import Layout
from tests.sources.test_indexes import ARM64, artifact, windows
from tests.testbed.archive_shapes import archive
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


@pytest.fixture
def run(nix_environ: Mapping[str, str], tmp_path: Path) -> Run:
    return runner(nix_environ, tmp_path)


@pytest.fixture
def publish(run: Run) -> Publish:
    return publisher(run)


def kept(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = ("platform", "annotations", "artifactType")
    return [{key: entry[key] for key in keys if key in entry} for entry in entries]


def test_an_index_arrives_as_it_was_listed(publish: Publish, registry: Registry, tmp_path: Path) -> None:
    """Also where one image is for two versions of Windows, and by way of another registry and another layout."""
    layout = Layout()
    image = layout.image("a")
    children = [
        {**image, "platform": windows(17763), "annotations": {"org.example.base": "nano"}},
        {**image, "platform": windows(20348)},
        layout.image("b", platform={**ARM64, "variant": "v8"}, artifactType="application/vnd.example.app"),
    ]
    entry = layout.index_of(*children, artifact(layout))
    layout.listing(entry).folder(tmp_path / "layout")
    repository, other = registry.new_repository(), registry.new_repository()
    publish("--source", "layout", "--tags", f"{registry.host}/{repository}:1", "--to", "oci:out:1")
    source = f"docker://{registry.host}/{repository}:1"
    publish("--source", source, "--tags", f"{registry.host}/{other}:1")
    publish("--source", "out", "--tags", f"{registry.host}/{other}:2")
    places = ((repository, "1"), (other, "1"), (other, "2"))
    for index in [registry.manifest(place, tag) for place, tag in places]:
        assert index
        assert kept(index["manifests"]) == kept(children)


@pytest.mark.parametrize("name", ["healthcheck", "HealthCheck"])
def test_a_config_that_no_engine_loads_is_refused_before_anything_is_sent(
    run: Run, registry: Registry, tmp_path: Path, name: str
) -> None:
    (tmp_path / "image.tar").write_bytes(archive(config={"Cmd": ["/x"], name: {"Interval": "30s"}}))
    repository = registry.new_repository()
    done = run("--source", "image.tar", "--tags", f"{registry.host}/{repository}:1")
    assert done.returncode == 4, done.stderr
    assert f"config.{name}.Interval is str, docker wants int" in done.stderr
    assert "nanoseconds" in done.stderr
    assert not done.stdout
    asked = {entry.method for entry in registry.accesses(repository)}
    assert asked <= {"GET", "HEAD", "POST", "DELETE"}, (
        "an upload is begun and given up, to see whether one may"
    )


def test_lint_reads_the_keys_that_engines_read(run: Run, tmp_path: Path) -> None:
    runtime = {"entrypoint": ["/app"], "user": "65532:65532", "labels": {"a": "b"}}
    (tmp_path / "image.tar").write_bytes(archive(config=runtime))
    done = run("--source", "image.tar", "--to", "oci:out:1", "--entrypoint", '["/other"]')
    assert done.returncode == 0, done.stderr
    assert "neither an Entrypoint" not in done.stderr
    assert "runs as root" not in done.stderr
    index = json.loads((tmp_path / "out/index.json").read_text())
    blobs = tmp_path / "out/blobs"
    manifest = json.loads((blobs / index["manifests"][0]["digest"].replace(":", "/")).read_text())
    config = json.loads((blobs / manifest["config"]["digest"].replace(":", "/")).read_text())["config"]
    assert (config["Entrypoint"], config["User"], config["Labels"]["a"]) == (["/other"], "65532:65532", "b")
    assert not {"entrypoint", "user", "labels"} & config.keys()
