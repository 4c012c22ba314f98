"""Decides whether an image comes from the git repository of the working folder: on a laptop no workflow states that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flakeship.ci import local
from flakeship.metadata.context import Context, Repository
from flakeship.store_paths import STORE, whole_store_path

if TYPE_CHECKING:
    from flakeship.commands.subject import Subject
    from flakeship.nix.installable import Installable
    from flakeship.sources.written import WrittenSource


# docs/decisions.md#git-speaks-for-its-own-flake
def known_origin(subject: Subject, event: Context, cwd: Path) -> Literal["here", "another flake", "unknown"]:
    """Tell where an image comes from: the repository around `cwd`, a flake elsewhere, or nobody knows where.

    In CI it is always `here`: whoever wrote the workflow says what its image is made from.
    """
    if event.platform != local.NAME:
        return "here"
    if subject.buildable:
        return "here" if _is_built_here(subject.buildable.installable, cwd) else "another flake"
    assert subject.source, "it is the one or the other"
    return "here" if _is_result_here(subject.source, cwd) else "unknown"


def without_git(event: Context) -> Context:
    """Return the event without the facts of git about the working folder; the names that tags are made of stay."""
    host = Repository(default_branch=event.repository.default_branch)
    return replace(event, repository=host, describes_source=False)


def _is_built_here(installable: Installable, cwd: Path) -> bool:
    if installable.file:
        return True
    return installable.directory is not None and _top(installable.directory) == _top(cwd)


def _is_result_here(source: WrittenSource, cwd: Path) -> bool:
    """Whether it is a link into the store that lies in this repository, as `nix build` makes one beside its flake."""
    link = cwd / source.name
    if source.place != "path" or str(link).startswith(STORE) or not whole_store_path(link):
        return False
    return _top(link.parent) == _top(cwd)


def _top(folder: Path) -> Path:
    """The top of the git repository that a folder lies in; the folder itself outside of any."""
    folder = folder.resolve()
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)
