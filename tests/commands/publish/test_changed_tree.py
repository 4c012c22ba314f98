"""In CI, too, the label of an image that was built from changed files says so; what Nix calls dirty and git does not is clean."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from flakeship.commands.naming import NamingRequest, naming_of
from flakeship.commands.publish.changed_tree import told_of_changes
from flakeship.events import Event, Warned
from flakeship.metadata.context import NixFacts
from flakeship.metadata.labels import PREFIX
from flakeship.nix.flake import FlakeMetadata
from flakeship.nix.installable import Installable
from tests.ci.local.test_git import ENVIRON, Tree, tree
from tests.metadata.events import SHA
from tests.metadata.test_engine import MAIN
from tests.runtimes import runtime
from tests.settings.making import settings_of

__all__ = ["tree"]

CLEAN = FlakeMetadata("git+file:///x", SHA, 5, dirty=False)
DIRTY = replace(CLEAN, revision=None, dirty=True)
GIVEN = {"labels": [f"{PREFIX}revision=mine"]}


def lock_changed(tree: Tree) -> None:
    (tree.path / "file").write_text("2")


def untracked(tree: Tree) -> None:
    (tree.path / "result").write_text("2")


def mode_ignored(tree: Tree) -> None:
    tree.git("config", "core.fileMode", "false")
    (tree.path / "file").chmod(0o755)


def sparse(tree: Tree) -> None:
    tree.git("sparse-checkout", "set", "--no-cone", "/other")


def no_repository(tree: Tree) -> None:
    subprocess.run(["rm", "-r", tree.path / ".git"], check=True)


@pytest.mark.parametrize(
    ("change", "flake", "inputs", "revision", "warns"),
    [
        (lock_changed, DIRTY, {}, f"{SHA}-dirty", True),
        (lock_changed, DIRTY, GIVEN, "mine", True),
        (lock_changed, None, {}, f"{SHA}-dirty", True),  # a Nix file, of which Nix knows no source
        (lock_changed, CLEAN, {}, SHA, False),  # a flake elsewhere
        (untracked, None, {}, SHA, False),
        (mode_ignored, DIRTY, {}, SHA, False),
        (sparse, DIRTY, {}, SHA, False),
        (no_repository, DIRTY, {}, f"{SHA}-dirty", True),
        (no_repository, None, {}, SHA, False),
    ],
)
def test_the_revision_of_changed_files(
    tree: Tree, change: Any, flake: FlakeMetadata | None, inputs: Any, revision: str, *, warns: bool
) -> None:
    change(tree)
    request = NamingRequest.of(settings_of(images=("o/n",), **inputs), MAIN, {})
    naming = naming_of(request, emit=lambda _: None, nix=NixFacts)
    file = "" if flake else "default.nix"
    place = tree.path if flake else None
    installable = Installable("." if flake else "", "", (), str(tree.path), place, file)
    obtained: Any = SimpleNamespace(buildable=SimpleNamespace(installable=installable), flake=flake)
    told: list[Event] = []
    here, _ = runtime(tree.path, ENVIRON)
    found = told_of_changes(naming, obtained, here, told.append)
    labels = found.marks(own={}, created="", nix=NixFacts()).labels.over({})
    assert labels[f"{PREFIX}revision"] == revision
    assert [isinstance(event, Warned) for event in told] == [True] * warns
    assert not warns or ("ends in -dirty" in str(told[0])) == revision.endswith("-dirty")


OTHER = "f" * 40


def submodule(tree: Tree) -> None:
    tree.git("init", "-q", "around")
    around = str(tree.path / "around")
    tree.git(
        "-C", around, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tree.path), "sub"
    )


@pytest.mark.parametrize(
    ("built", "folder", "environ", "warns"),
    [
        (OTHER, ".", {}, True),
        (SHA, ".", {}, False),
        (OTHER, None, {}, False),  # a flake elsewhere
        (OTHER, "around/sub", {}, False),
        (OTHER, ".", {"DOCKER_METADATA_PR_HEAD_SHA": "true"}, False),
    ],
)
def test_another_commit_than_that_of_the_run(
    tree: Tree, built: str, folder: str | None, environ: dict[str, str], *, warns: bool
) -> None:
    if folder == "around/sub":
        submodule(tree)
    request = NamingRequest.of(settings_of(images=("o/n",)), MAIN, {})
    naming = naming_of(request, emit=lambda _: None, nix=NixFacts)
    installable = Installable(".", "", (), str(tree.path), tree.path / folder if folder else None, "")
    flake = replace(CLEAN, revision=built)
    obtained: Any = SimpleNamespace(buildable=SimpleNamespace(installable=installable), flake=flake)
    told: list[Event] = []
    here, _ = runtime(tree.path, ENVIRON | environ)
    assert told_of_changes(naming, obtained, here, told.append) is naming
    assert [
        f"from commit {OTHER[:12]}, and its tags and labels are those of {SHA[:12]}" in str(each)
        for each in told
    ] == [True] * warns
