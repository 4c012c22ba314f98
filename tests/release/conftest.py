"""A project, its bare repositories that stand for GitHub's and GitLab's, and the API beside them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from flakeship import __version__
from release import ROOT
from release.version import Version
from tests.release import github_server

VERSION = Version.parse(__version__)


@pytest.fixture(autouse=True)
def _git_of_nobody(nix_environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps start git with our environment."""
    for name, value in nix_environ.items():
        if name.startswith(("GIT_", "HOME", "XDG_")):
            monkeypatch.setenv(name, value)
    for name in ("GITHUB_OUTPUT", "GITHUB_ACTOR", "GH_TOKEN", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def github_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[github_server.GitHubServer]:
    with github_server.serve() as server:
        monkeypatch.setenv("GITHUB_API_URL", server.api)
        yield server


@pytest.fixture
def bare(tmp_path: Path, git: Callable[..., str]) -> Callable[[str], Path]:
    """`bare("github")` makes an empty repository with nothing checked out."""

    def make(name: str) -> Path:
        folder = tmp_path / f"{name}.git"
        git(tmp_path, "init", "-q", "--bare", "-b", "main", str(folder))
        git(folder, "config", "receive.advertisePushOptions", "true")
        return folder

    return make


@pytest.fixture
def small(tmp_path: Path, git: Callable[..., str], bare: Callable[[str], Path]) -> tuple[Path, Path]:
    """A clone with a README and one commit on main, and the remote that it was pushed to."""
    remote, clone = bare("github"), tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(remote), str(clone))
    (clone / "README.md").write_text("[how](docs/how.md)\n")
    commit(git, clone, "one")
    return clone, remote


def commit(git: Callable[..., str], clone: Path, message: str) -> str:
    """Commit everything to main, push it, and return the hash."""
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "--allow-empty", "-m", message)
    git(clone, "push", "-q", "origin", "HEAD:refs/heads/main")
    return git(clone, "rev-parse", "HEAD").strip()


def copy_of_project(to: Path) -> Path:
    """Copy the files of the project that git knows, but for those that no step looks at."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "bench/")):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def lay_out(folder: Path, cpu: str, *flags: str) -> None:
    """Write the image of the archive `CPU.tar` into the layout `CPU`, as a job of the workflow does."""
    command = (sys.executable, "-m", "flakeship", "publish", "--source", f"{cpu}.tar", "--to", f"oci:{cpu}")
    subprocess.run([*command, *flags], cwd=folder, check=True, capture_output=True)
