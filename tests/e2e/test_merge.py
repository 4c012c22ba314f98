"""Two jobs at once, merge and tags with a real registry; a platform that is published already is not built for a leg."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.sources.layouts import Layout
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[str]"]
BOTH = "linux/amd64,linux/arm64"


@pytest.fixture
def start(nix_environ: Mapping[str, str], tmp_path: Path) -> Start:
    """`start("merge", ".")` starts a command as a job of one run on GitHub would."""
    environ = {**nix_environ, "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "7", "GITHUB_SHA": "3e7be6a" * 5}

    def begin(*argv: str, cwd: Path = tmp_path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "flakeship", *argv]
        return subprocess.Popen(
            command, cwd=cwd, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    return begin


def ended(job: subprocess.Popen[str]) -> str:
    log, _ = job.communicate()
    assert job.returncode == 0, log
    return log


def test_two_jobs_at_once_and_a_merge_give_an_index(start: Start, registry: Registry, tmp_path: Path) -> None:
    repository = registry.new_repository()
    image = f"{registry.host}/{repository}"
    layout = Layout()
    layout.listing(layout.image("shared", "base")).folder(tmp_path / "layout")
    flags = ("publish", "--source", "layout", "--push-by-digest", "--tags", f"{image}:1,{image}:latest")
    jobs = [start(*flags, "--override-platform", platform) for platform in BOTH.split(",")]
    for job in jobs:
        ended(job)
    assert registry.tags(repository) == []
    before = [entry for entry in registry.accesses(repository) if "/blobs/sha256" in entry.path]
    log = ended(start("merge", ".", "--platforms", BOTH))
    assert registry.tags(repository) == ["1", "latest"]
    digest = registry.digest(repository, "1")
    assert f"{image}@{digest}" in log
    assert registry.digest(repository, "latest") == digest
    index = registry.manifest(repository, "1")
    assert index
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    manifests = [registry.manifest(repository, entry["digest"]) for entry in index["manifests"]]
    layers = {layer["digest"] for each in manifests if each for layer in each["layers"]}
    after = [entry for entry in registry.accesses(repository) if "/blobs/sha256" in entry.path][len(before) :]
    assert not [entry for entry in after if any(layer in entry.path for layer in layers)]
    assert registry.open_uploads(repository) == []


def test_a_platform_that_is_published_is_not_built_for_its_leg(
    start: Start, registry: Registry, make_flake: Callable[..., Path]
) -> None:
    folder, image = make_flake(), f"{registry.host}/{registry.new_repository()}"
    flags = ("publish", ".#layered", f"{image}:1", "--push-by-digest")
    assert "building" in ended(start(*flags, cwd=folder))
    (leg,) = folder.glob("flakeship-*.json")
    platform = "/".join(leg.stem.rsplit("-", 2)[1:])
    ended(start("merge", leg.name, "--platforms", platform, cwd=folder))
    leg.unlink()
    assert "nothing is built" in ended(start(*flags, cwd=folder))
    assert "is unchanged" in ended(start("merge", ".", "--platforms", platform, cwd=folder))
