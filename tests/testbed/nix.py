"""Real Nix without the network, and flakes without nixpkgs whose builder is a static busybox."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from flakeship.events import ignore
from flakeship.nix.command import Nix
from tests.testbed import archives

FLAKES = Path(__file__).parent.parent / "flakes"
NIX_CONFIG = """\
experimental-features = nix-command flakes
build-users-group =
substituters =
"""
GIT_IDENTITY = {
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
}

MakeFlake: TypeAlias = Callable[..., Path]
NixBuild: TypeAlias = Callable[[str], Path]


@pytest.fixture(scope="session")
def nix_environ(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What a nix child is given: single user, no substituters, caches and settings of its own."""
    home = tmp_path_factory.mktemp("nix-home")
    return {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "PATH": os.environ["PATH"],
        "NIX_CONFIG": NIX_CONFIG,
        "FLAKESHIP_LAYER_CACHE": "off",  # no test finds what another has packed
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        **GIT_IDENTITY,
    }


@pytest.fixture(scope="session")
def _archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes") / "archives"
    archives.write_all(folder)
    return folder


def _write(folder: Path, tarballs: Path, *, salt: str) -> None:
    shutil.copytree(FLAKES / "shapes", folder)
    (folder / "bin").mkdir()
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    shutil.copytree(tarballs, folder / "archives")
    (folder / "salt").write_text(salt)


@pytest.fixture
def git(nix_environ: Mapping[str, str]) -> Callable[..., str]:
    """Run git in a folder: `git(folder, "add", "-A")`."""

    def run(folder: Path, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, env=nix_environ, check=True, capture_output=True, text=True
        ).stdout

    return run


@pytest.fixture
def make_flake(tmp_path: Path, _archives: Path, git: Callable[..., str]) -> MakeFlake:
    """`make_flake("app")` writes tests/flakes/shapes into tmp_path/app, a git repository with one commit.

    With `fresh=True` nothing of it was ever built; else its outputs may be in the store from an earlier test.
    """

    def make(name: str = "app", *, fresh: bool = False, commit: bool = True) -> Path:
        folder = tmp_path / name
        _write(folder, _archives, salt=str(uuid.uuid4()) if fresh else "")
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", "-A")
        if commit:
            git(folder, "commit", "-q", "-m", "flake")
        return folder

    return make


@pytest.fixture(scope="session")
def shapes(
    tmp_path_factory: pytest.TempPathFactory, _archives: Path, nix_environ: Mapping[str, str]
) -> NixBuild:
    """`shapes("stream")` is the store path of that package of tests/flakes/shapes, built by plain `nix build`.

    Needs none of our own code: for tests of what happens after a build.
    """
    folder = tmp_path_factory.mktemp("flake") / "shapes"
    _write(folder, _archives, salt="")

    def build(attribute: str) -> Path:
        done = subprocess.run(
            ["nix", "build", "--json", "--no-link", f"path:{folder}#{attribute}"],
            env=nix_environ,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return Path(json.loads(done.stdout)[0]["outputs"]["out"])

    return build


@pytest.fixture(scope="session")
def nix(nix_environ: Mapping[str, str]) -> Nix:
    """Our own way to real Nix."""
    return Nix.find(environ=nix_environ, emit=ignore)
