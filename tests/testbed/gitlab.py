"""Real gitlab-ci-local: pipelines of a project at gitlab.example.com, whose projects are repositories on this disk."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import pytest
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner

from tests.testbed.docker import Docker

ROOT: Final = Path(__file__).parent.parent.parent
SERVER: Final = "https://gitlab.example.com"
HELPER: Final = "flakeship-test:gitlab-helper"
_PROGRAM: Final = ROOT / ".dev" / "npm" / "node_modules" / "gitlab-ci-local" / "dist" / "index.js"
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\r")
_VARIABLES: Final = {"GITLAB_CI": "true"}
"""gitlab-ci-local says of itself that it is not GitLab."""


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """What gitlab-ci-local did: its exit code, and what it and all jobs printed."""

    returncode: int
    log: str

    def __str__(self) -> str:
        return _ANSI.sub("", self.log)

    def printed(self, job: str) -> list[str]:
        """The lines that a job printed, without gitlab-ci-local's mark before them."""
        lines = (line.partition(" > ") for line in str(self).splitlines())
        return [text for name, mark, text in lines if mark and name.strip() == job]


GitLab: TypeAlias = Callable[..., PipelineRun]


@pytest.fixture(scope="session")
def helper_image(dockerd: Docker, base_image: str) -> Iterator[str]:
    """What gitlab-ci-local moves artifacts with; without rsync they vanish."""
    recipe = (
        f"FROM {base_image}\nRUN apt-get -qq update && apt-get -qqy install --no-install-recommends rsync\n"
    )
    dockerd("build", "--network", "host", "--tag", HELPER, "-", stdin=recipe.encode())
    yield HELPER
    dockerd("image", "rm", "--force", HELPER)


@pytest.fixture
def gitlab_projects(tmp_path: Path) -> Path:
    """Where the server's repositories are: `OWNER/NAME.git` below it is that project."""
    folder = tmp_path / "gitlab"
    folder.mkdir()
    return folder


@pytest.fixture
def flakeship_project(gitlab_projects: Path, tmp_path: Path, git: Callable[..., str]) -> None:
    """The project flakeship/flakeship on the server: releases 1.1.0 and 1.2.0, and 2.0.0-rc.1; only 1.2.0 works."""
    folder = tmp_path / "flakeship"
    (folder / "templates").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for version in ("1.1.0", "1.2.0", "2.0.0-rc.1"):
        for name in ("templates/flakeship.yml", "templates/merge.yml", "gitlab-component.yml"):
            if version == "1.2.0":
                shutil.copy(ROOT / name, folder / name)
            else:
                (folder / name).write_text("flakeship:\n  script: exit 66\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", version)
        git(folder, "tag", version)
    git(folder, "clone", "-q", "--bare", ".", str(gitlab_projects / "flakeship" / "flakeship.git"))


def _copy_one_at_a_time(folder: Path) -> None:
    """Writes a `cp` into `folder` that waits for the one before it.

    gitlab-ci-local (4.73) fetches each include of a pipeline at once with the others. Includes of one component copy the same folder to
    the same place, and one that comes between another's "does it exist" and its mkdir ends with "File exists".
    """
    folder.mkdir()
    copy = folder / "cp"
    copy.write_text(f'#!/bin/sh\nexec flock {folder}/lock {shutil.which("cp")} "$@"\n')
    copy.chmod(0o755)


def check_schema(*files: Path) -> None:
    """AssertionError for what is no pipeline, in the words of GitLab's own schema."""
    flags = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    checked = CliRunner().invoke(check_jsonschema, [*flags, *map(str, files)])
    assert checked.exit_code == 0, checked.output


@pytest.fixture
def gitlab(dockerd: Docker, helper_image: str, gitlab_reader: GitLab) -> GitLab:
    """`gitlab(folder, "--preview", CI_REGISTRY="…")` runs the pipeline of the git repository in `folder`.

    It passes for GitLab: `GITLAB_CI=""` leaves that variable to gitlab-ci-local, as its users do.
    """
    engine = {"DOCKER_HOST": dockerd.host, "DOCKER_CONFIG": str(dockerd.config)}
    runner = ("--pull-policy", "if-not-present", "--helper-image", helper_image, "--network", "host")

    def run(folder: Path, *arguments: str, **variables: str) -> PipelineRun:
        return gitlab_reader(folder, *runner, *arguments, environ=engine, **variables)

    return run


@pytest.fixture
def gitlab_reader(gitlab_projects: Path, tmp_path: Path) -> GitLab:
    """`gitlab_reader(folder, "--list-json")` reads a pipeline, as `gitlab` does, and has no engine to run one."""
    assert _PROGRAM.exists(), "gitlab-ci-local is missing: `./dev test` installs it"
    home = tmp_path / "gitlab-home"
    home.mkdir()
    (home / "gitconfig").write_text(
        f'[url "file://{gitlab_projects}/"]\n\tinsteadOf = {SERVER}:443/\n'
        "[safe]\n\tdirectory = *\n[user]\n\tname = test\n\temail = test@example.invalid\n"
    )
    _copy_one_at_a_time(home / "bin")
    home_only = {
        "PATH": f"{home}/bin:{ROOT}/.venv/bin:{os.environ['PATH']}",
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
    }
    quiet = ("--ignore-predefined-vars", "GITLAB_CI,CI_REGISTRY,CI_REGISTRY_IMAGE,CI_PIPELINE_SOURCE")

    def run(
        folder: Path, *arguments: str, environ: Mapping[str, str] = MappingProxyType({}), **variables: str
    ) -> PipelineRun:
        given = (f"--variable={name}={value}" for name, value in (_VARIABLES | variables).items() if value)
        done = subprocess.run(
            [ROOT / ".venv" / "bin" / "node", _PROGRAM, *quiet, *given, *arguments],
            cwd=folder,
            env={**home_only, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=240,
            check=False,
        )
        return PipelineRun(done.returncode, done.stdout.decode())

    return run
