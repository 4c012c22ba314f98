"""A copy that changes nothing is the very image, whoever wrote it; what can't be that is refused before a tag is set."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.commands.merge.scene import AMD64, ARM64, BOTH, Jobs, Said
from tests.sources.layouts import DOCKER, INDEX, Layout
from tests.sources.test_indexes import artifact
from tests.testbed.registry_memory import MemoryRegistry, registry

__all__ = ["registry"]

AS_IT_IS = ("--auto-labels=false", "--created=keep")
TYPES = {
    "layer": f"{DOCKER}image.rootfs.diff.tar.gzip",
    "config": f"{DOCKER}container.image.v1+json",
    "manifest": f"{DOCKER}distribution.manifest.v2+json",
}
Made: TypeAlias = Callable[[Jobs], str]


@pytest.fixture
def jobs(registry: MemoryRegistry, tmp_path: Path) -> Jobs:
    return Jobs(registry, tmp_path, registry.new_repository())


def put(jobs: Jobs, layout: Layout, entry: Mapping[str, Any]) -> str:
    """The entry with all that the layout holds, in the registry; its digest."""
    memory = jobs.registry
    assert isinstance(memory, MemoryRegistry)
    for digest, data in layout.blobs.items():
        memory.blobs[jobs.repository, digest] = data
        if b'"schemaVersion"' in data:
            memory.manifests[jobs.repository, digest] = json.loads(data)["mediaType"], data
    return str(entry["digest"])


def merged(jobs: Jobs) -> str:
    legs = [jobs.push(platform).name for platform in (AMD64, ARM64)]
    assert jobs.merge(*legs, "--platforms", BOTH).code == 0
    return jobs.registry.digest(jobs.repository, "1")


def of_docker(jobs: Jobs) -> str:
    layout = Layout()
    return put(jobs, layout, layout.image("a", media_types=TYPES))


def of_one_platform(jobs: Jobs) -> str:
    layout = Layout()
    return put(jobs, layout, layout.platforms("amd64"))


def of_buildx(jobs: Jobs) -> str:
    layout = Layout()
    image = layout.image("a", platform={"os": "linux", "architecture": "amd64"})
    return put(jobs, layout, layout.index_of(image, artifact(layout), annotations={"a": "b"}))


def of_indexes(jobs: Jobs) -> str:
    layout = Layout()
    return put(jobs, layout, layout.index_of(layout.platforms("amd64", "arm64")))


def copy(jobs: Jobs, digest: str, target: str, *flags: str) -> Said:
    return jobs.flakeship(
        "publish", "--source", f"docker://{jobs.image}@{digest}", "--tags", target, *AS_IT_IS, *flags
    )


@pytest.mark.slow
@pytest.mark.parametrize("made", [merged, of_docker, of_one_platform, of_buildx, of_indexes])
def test_back_to_a_digest_is_back_to_that_image(jobs: Jobs, made: Made) -> None:
    digest = made(jobs)
    done = copy(jobs, digest, f"{jobs.image}:latest")
    assert done.code == 0, done.log
    assert jobs.registry.digest(jobs.repository, "latest") == digest
    assert done.stdout == f"{jobs.image}@{digest}"
    assert copy(jobs, digest, f"{jobs.image}:2", "--labels", "a=b").code == 0
    assert jobs.registry.digest(jobs.repository, "2") != digest


@pytest.mark.parametrize("made", [merged, of_docker, of_one_platform])
def test_another_repository_gets_that_image(jobs: Jobs, made: Made) -> None:
    digest, other = made(jobs), jobs.registry.new_repository()
    done = copy(jobs, digest, f"{jobs.registry.host}/{other}:1", "--to", "oci:out:1")
    assert done.code == 0, done.log
    assert jobs.registry.digest(other, "1") == digest
    assert digest in (jobs.folder / "out/index.json").read_text()


@pytest.mark.parametrize("made", [of_buildx, of_indexes])
def test_what_would_be_another_image_is_not_tagged(jobs: Jobs, made: Made) -> None:
    digest, other = made(jobs), jobs.registry.new_repository()
    target = f"{jobs.registry.host}/{other}:1"
    done = copy(jobs, digest, target)
    assert done.code == 7
    assert f"would not be {digest}" in done.log
    assert not jobs.registry.tags(other)
    assert copy(jobs, digest, target, "--platforms", AMD64).code == 0
    manifest = jobs.registry.manifest(other, "1")
    assert manifest
    assert manifest["mediaType"] != INDEX
