"""Whose image it is: on a laptop git speaks for images of its own flake alone, in CI the workflow speaks for each."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flakeship.commands.publish.known_origin import known_origin, without_git
from flakeship.image.stamp import FACTS
from flakeship.metadata.context import Context, Repository
from flakeship.metadata.labels import _DESCRIBED, _KNOWN, PREFIX, automatic
from flakeship.nix.installable import Installable
from flakeship.settings.declaration import Settings
from flakeship.sources.written import written_source
from tests.runtimes import publish_one, runtime
from tests.settings.making import settings_of
from tests.sources.layouts import Layout, sha256

STORE_PATH = "/nix/store/" + "0" * 32 + "-image.tar.gz"
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "me/app",
    "GITHUB_SHA": "a" * 40,
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_EVENT_NAME": "push",
}
LABEL = "org.opencontainers.image."


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A repository with a flake, and another beside it."""
    for name in ("here", "there"):
        (tmp_path / name / ".git").mkdir(parents=True)
        (tmp_path / name / "sub").mkdir()
        (tmp_path / name / "flake.nix").touch()
        (tmp_path / name / "sub/flake.nix").touch()
        (tmp_path / name / "result").symlink_to(STORE_PATH)
        (tmp_path / name / "image.tar").touch()
    return tmp_path / "here"


def event(platform: str) -> Context:
    return Context(run_date=datetime.now(UTC), commit_date=datetime.now(UTC), platform=platform)


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        (".#image", "here"),
        ("./sub#image", "here"),
        ("../there#image", "another flake"),
        ("path:../there#image", "another flake"),
        ("github:owner/repo#image", "another flake"),
        ("nixpkgs#hello", "another flake"),
    ],
)
def test_of_a_flake(written: str, origin: str, here: Path) -> None:
    subject: Any = SimpleNamespace(
        buildable=SimpleNamespace(installable=Installable.parse(written, cwd=here)), source=None
    )
    assert known_origin(subject, event("local"), here) == origin
    assert known_origin(subject, event("local"), here / "sub") == ("here" if origin == "here" else origin)
    assert known_origin(subject, event("github"), here) == "here"


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("result", "here"),
        ("./result", "here"),
        ("../there/result", "unknown"),
        ("image.tar", "unknown"),
        (STORE_PATH, "unknown"),
        ("docker://h/a:1", "unknown"),
        ("docker-daemon:a:1", "unknown"),
        ("-", "unknown"),
    ],
)
def test_of_a_source(written: str, origin: str, here: Path) -> None:
    subject: Any = SimpleNamespace(buildable=None, source=written_source(written, here))
    assert known_origin(subject, event("local"), here) == origin
    assert known_origin(subject, event("gitlab"), here) == "here"


def test_what_git_says_makes_tags_and_no_labels_of_another_flake() -> None:
    host = Repository(name="app", full_name="me/app", url="https://h/me/app", default_branch="main")
    found = without_git(
        Context(
            run_date=datetime.now(UTC),
            commit_date=datetime(2020, 1, 1, tzinfo=UTC),
            sha="a" * 40,
            ref="refs/heads/main",
            repository=host,
            dirty=True,
        )
    )
    labels = automatic(found, version="1", created="", nix=None)
    assert {**labels.known, **labels.described} == {f"{LABEL}version": "1"}
    assert (found.sha, found.branch, found.is_default_branch, found.committed) == (
        "a" * 40,
        "main",
        True,
        None,
    )


def test_the_labels_of_facts_are_those_that_a_run_writes() -> None:
    assert {PREFIX + key for key in (*_KNOWN, *_DESCRIBED)} == FACTS


def _config(folder: Path, environ: Mapping[str, str], **inputs: Any) -> tuple[str, dict[str, Any]]:
    machine, _ = runtime(folder, environ)
    settings: Settings = settings_of(push="false", lint="off", **inputs)
    done = publish_one(settings, machine).packed
    return sha256(done.manifest), json.loads(done.images[0].config)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.example")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://h.example/me/other"], check=True)
    return tmp_path


@pytest.fixture
def published(repository: Path) -> Path:
    """A layout that an earlier run of CI published, with a label of the user and an entry point."""
    layout = Layout()
    layout.listing(layout.image("one")).folder(repository / "in")
    _config(
        repository, GITHUB, source="in", to=("oci:out:1",), labels=("team=a",), entrypoint='["/x"]', user="5"
    )
    return repository


def test_a_copy_on_a_laptop_is_the_very_same_image(published: Path) -> None:
    """A layout's name becomes that of its image, so the first copy of one is another."""
    before, _ = _config(published, {}, source="out", to=("oci:copy:1",))
    digest, config = _config(published, {}, source="copy", to=("oci:again:1",))
    assert digest == before
    assert config["config"]["Labels"]["team"] == "a"


def test_a_label_for_a_copy_on_a_laptop_comes_to_those_that_there_are(published: Path) -> None:
    _, before = _config(published, {}, source="out", to=("oci:copy:1",))
    _, config = _config(published, {}, source="copy", to=("oci:again:1",), labels=("stage=b",))
    assert config["config"] == {**before["config"], "Labels": {**before["config"]["Labels"], "stage": "b"}}
    assert config.get("created") == before.get("created")
    assert config["config"]["Labels"][f"{LABEL}revision"] == "a" * 40


def test_a_copy_in_ci_gets_its_facts_and_keeps_what_a_user_wrote(published: Path) -> None:
    other = {**GITHUB, "GITHUB_SHA": "b" * 40}
    _, config = _config(published, other, source="out", to=("oci:copy:1",))
    assert config["config"]["Labels"][f"{LABEL}revision"] == "b" * 40
    assert config["config"]["Labels"]["team"] == "a"
    assert (config["config"]["Entrypoint"], config["config"]["User"]) == (["/x"], "5")


def test_an_image_of_others_gets_no_label_of_the_folder_one_stands_in(repository: Path) -> None:
    layout = Layout()
    layout.listing(layout.image("one", runtime={"Labels": {"own": "1"}})).folder(repository / "in")
    _, config = _config(repository, {}, source="in", to=("oci:copy:1",))
    assert config["config"]["Labels"] == {"own": "1"}
    _, config = _config(repository, {}, source="in", to=("oci:dated:1",), created="2020-02-02T00:00:00Z")
    assert (config["created"], config["config"]["Labels"]) == ("2020-02-02T00:00:00Z", {"own": "1"})
