"""Our own flake: evaluated and built with a stand-in for nixpkgs, as no nixpkgs can be had without the internet.

tests/flakes/nixpkgs stands in: its packages are small derivations with the names that nixpkgs has. It shows that the flake
is complete, and not that nixpkgs' versions fit.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from flakeship import __version__
from tests.testbed import archives
from tests.testbed.command import Publish
from tests.testbed.nix import FLAKES

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture
def nixpkgs(tmp_path: Path) -> Path:
    folder = tmp_path / "nixpkgs"
    shutil.copytree(FLAKES / "nixpkgs", folder)
    (folder / "bin").mkdir()
    shutil.copy(archives.BUSYBOX, folder / "bin/busybox")
    (folder / "python").write_text(sys.executable)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files of the project that git knows."""
    folder = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "bench/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def nix(environ: Mapping[str, str], *arguments: str, cwd: Path) -> str:
    # The stand-in's packages use the Python of the tests, which a sandbox would hide.
    done = subprocess.run(
        ["nix", "--option", "sandbox", "false", *arguments],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_flake_runs_checks_and_knows_every_dependency(
    nixpkgs: Path, checkout: Path, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    given = ("--no-write-lock-file", "--override-input", "nixpkgs", f"path:{nixpkgs}")
    ran = nix(nix_environ, "run", *given, f"path:{checkout}", "--", "--version", cwd=tmp_path)
    assert ran == f"flakeship {__version__}\n"
    nix(nix_environ, "flake", "check", *given, f"path:{checkout}", cwd=tmp_path)
    attribute, names_of = f"path:{checkout}#overlays.default", "overlay: builtins.attrNames (overlay { } { })"
    assert json.loads(
        nix(nix_environ, "eval", "--json", *given, attribute, "--apply", names_of, cwd=tmp_path)
    ) == ["flakeship"]
    built = json.loads(
        nix(nix_environ, "build", "--no-link", "--json", *given, f"path:{checkout}#flakeship", cwd=tmp_path)
    )
    out = Path(built[0]["outputs"]["out"])
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[^A-Za-z0-9._-]", requirement)[0] for requirement in required}
    inputs = (out / "nix-support/inputs").read_text()
    assert set(re.findall(r"python3-(.+?)-[0-9]", inputs)) == {*names, "flit-core"}
    assert (out / "share/man/man1/flakeship.1").is_file(), "`nix flake check` has looked at the others"
    assert {path.name for path in (out / "source").iterdir()} == {
        "LICENSE",
        "README.md",
        "data",
        "pyproject.toml",
        "src",
    }


def test_nixpkgs_is_the_only_input() -> None:
    for flake in ("flake.nix", "nix/template/flake.nix"):
        assert re.findall(r"(?m)^  inputs\.(\w+)", (ROOT / flake).read_text()) == ["nixpkgs"]


def test_the_template_is_a_project_that_can_be_published(
    nixpkgs: Path,
    checkout: Path,
    nix_environ: Mapping[str, str],
    tmp_path: Path,
    *,
    publish: Publish,
    git: Callable[..., str],
) -> None:
    """As it is written, but for the address of nixpkgs."""
    project = tmp_path / "project"
    project.mkdir()
    flake = checkout / "flake.nix"
    flake.write_text(flake.read_text().replace("github:NixOS/nixpkgs/nixos-unstable", f"path:{nixpkgs}"))
    nix(nix_environ, "flake", "init", "--template", f"path:{checkout}", cwd=project)
    written = project / "flake.nix"
    written.write_text(written.read_text().replace("github:NixOS/nixpkgs/nixos-unstable", f"path:{nixpkgs}"))
    assert {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()} == {
        "flake.nix",
        ".github/workflows/image.yml",
        ".gitlab-ci.yml",
    }
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "begin")
    ended = publish("--flake", ".", "--to", "oci:image", cwd=project)
    assert ended.code == 0, ended.stderr
    assert "note: . has no flake.lock, so" in ended.stderr
    assert "-dirty" not in ended.stderr
    assert git(project, "status", "--porcelain", "--ignored") == "!! image/\n", (
        "a workflow builds without the file"
    )
    nix(nix_environ, "flake", "lock", cwd=project)
    again = publish("--flake", "path:.#image", "--to", "oci:image", cwd=project)
    assert "flake.lock" not in again.stderr
    nix(nix_environ, "build", "--no-link", "path:.#image", cwd=project)
