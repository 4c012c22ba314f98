"""`flakeship plan` with real Nix and a real registry: what is published is not planned, and nothing is written."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.testbed.command import Publish
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


@pytest.fixture
def plan(nix_environ: Mapping[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flakeship", "plan", *flags]
        return subprocess.run(
            command, cwd=folder, env=nix_environ, capture_output=True, text=True, check=False
        )

    return run


def test_what_every_tag_names_already_needs_no_job(
    plan: Callable[..., subprocess.CompletedProcess[str]],
    publish: Publish,
    make_flake: Callable[..., Path],
    registry: Registry,
) -> None:
    folder, repository = make_flake(), registry.new_repository()
    image = f"{registry.host}/{repository}"

    def todo(*references: str) -> list[str]:
        done = plan(folder, ".#layered", *references)
        assert done.returncode == 0, done.stderr
        return [entry["platform"] for entry in json.loads(done.stdout)["todo"]]

    assert len(todo(f"{image}:1")) == 1
    assert publish(".#layered", f"{image}:1", cwd=folder).code == 0
    before = [entry for entry in registry.accesses(repository) if entry.method not in {"GET", "HEAD"}]
    assert todo(f"{image}:1") == []
    assert len(todo(f"{image}:1", f"{image}:2")) == 1, "a release of what is published lacks its tag"
    assert registry.tags(repository) == ["1"]
    assert [entry for entry in registry.accesses(repository) if entry.method not in {"GET", "HEAD"}] == before
    done = plan(folder, ".#layered", f"{image}:1", "--format", "github")
    assert done.stdout == '{"include":[]}\n'


def test_a_platform_is_evaluated_for_its_own_system(
    plan: Callable[..., subprocess.CompletedProcess[str]], make_flake: Callable[..., Path], registry: Registry
) -> None:
    folder, image = make_flake(), f"{registry.host}/{registry.new_repository()}:1"
    both = ("--platforms", "linux/amd64,linux/arm64")
    done = plan(folder, ".#layered", image, *both)
    assert done.returncode == 0, done.stderr
    entries = json.loads(done.stdout)["todo"]
    assert [(entry["platform"], entry["system"]) for entry in entries] == [
        ("linux/amd64", "x86_64-linux"),
        ("linux/arm64", "aarch64-linux"),
    ]
    done = plan(folder, ".#packages.x86_64-linux.layered", image, *both)
    assert done.returncode == 2
    assert "is for x86_64-linux, and aarch64-linux is asked for" in done.stderr
    done = plan(folder, ".#nothing", image, *both)
    assert done.returncode == 3, done.stderr
    done = plan(folder, "--source", "result", "--tags", image)
    assert done.returncode == 2
    assert "`--source` is built already" in done.stderr
