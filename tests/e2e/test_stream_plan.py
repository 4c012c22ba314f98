"""streamLayeredImage's scripts, built by a real Nix: what is published already is neither written nor read again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.sources.stream_scripts import script_text
from tests.testbed import archives
from tests.testbed.nix import FLAKES
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


@pytest.fixture
def flake(tmp_path: Path, git: Callable[..., str]) -> Path:
    folder = tmp_path / "app"
    shutil.copytree(FLAKES / "stream", folder)
    (folder / "bin").mkdir()
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    (folder / "script.py").write_text(script_text())
    (folder / "text").write_text("one\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "flake")
    return folder


def published(flake: Path, environ: Mapping[str, str], *flags: str) -> dict[str, Any]:
    """The result of a run, and under `said` its log."""
    file = flake.parent / "result.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "flakeship", "publish", "--log-level", "debug", "--created", "commit"),
            *("--metadata-file", str(file), *flags),
        ],
        cwd=flake,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(file.read_text()), "said": done.stderr}


def states(result: Mapping[str, Any]) -> list[str]:
    """Of the layers and the config."""
    return [blob["state"] for blob in result["flakeship.destinations"][0]["blobs"]]


def runs(result: Mapping[str, Any]) -> list[str]:
    """The last word of each command line that executed a script: its conf.json, or itself."""
    words = (line.split() for line in result["said"].splitlines() if line.startswith("  + /"))
    return [line[-1] for line in words if line[1].startswith("/")]


def test_only_the_layer_that_changed_is_made(
    flake: Path, registry: Registry, nix_environ: Mapping[str, str]
) -> None:
    name = f"{registry.host}/stream/changed"
    flags = ("--flake", ".", "--tags", f"{name}:1", "--plain-http", registry.host)
    first = published(flake, nix_environ, *flags)
    assert states(first)[:3] == ["uploaded"] * 3
    (flake / "text").write_text("two\n")
    second = published(flake, nix_environ, *flags)
    assert states(second)[:3] == ["reused", "uploaded", "reused"]
    tried = [path for result in (first, second) for path in runs(result)]
    assert len(tried) == 2
    assert not [path for path in tried if path.startswith("/nix/store")], "it was only tried"
    again = published(flake, nix_environ, *flags, "--rebuild", "always")
    assert states(again)[:3] == ["reused"] * 3


def test_the_script_itself_gives_the_same_layers(
    flake: Path, registry: Registry, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    planned = published(flake, nix_environ, "--flake", ".", "--to", f"oci:{tmp_path}/planned")
    built = subprocess.run(
        ["nix", "build", "--no-link", "--json", "."],
        cwd=flake,
        env=nix_environ,
        capture_output=True,
        check=True,
    )
    wrapper = json.loads(built.stdout)[0]["outputs"]["out"]
    hidden = tmp_path / "hidden"
    hidden.write_text(f"#! /bin/sh\ntrue\nexec {wrapper}\n")
    hidden.chmod(0o755)
    ran = published(flake, nix_environ, "--source", str(hidden), "--to", f"oci:{tmp_path}/ran")
    assert [blob["digest"] for blob in planned["flakeship.destinations"][0]["blobs"][:3]] == [
        blob["digest"] for blob in ran["flakeship.destinations"][0]["blobs"][:3]
    ]
    assert "is run, and not planned: it is not a wrapper" in ran["said"]
    assert len(runs(planned)) == 1
    assert runs(ran) == [str(hidden)]


def test_the_cache_of_this_machine_serves_where_no_registry_does(
    flake: Path, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    cache = ("--layer-cache", str(tmp_path / "cache"))
    first = published(flake, nix_environ, "--flake", ".", "--to", f"oci:{tmp_path}/one", *cache)
    second = published(flake, nix_environ, "--flake", ".", "--to", f"oci:{tmp_path}/two", *cache)
    listed = subprocess.run(
        [sys.executable, "-m", "flakeship", "layers", "--json", *cache],
        env=nix_environ,
        capture_output=True,
        check=True,
    )
    kept = {layer["digest"]: layer for layer in json.loads(listed.stdout)["layers"]}
    blobs = first["flakeship.destinations"][0]["blobs"][:3]
    assert kept.keys() == {blob["digest"] for blob in blobs}
    assert blobs == second["flakeship.destinations"][0]["blobs"][:3]
    assert " reading " in first["said"]
    assert " reading " not in second["said"]
