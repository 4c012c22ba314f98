"""Files that git does not track."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.nix.installable import Installable
from flakeship.nix.untracked import hint_untracked, untracked_files

ENVIRON = {"PATH": os.environ["PATH"]}


@pytest.fixture
def repository(tmp_path: Path, git: Callable[..., str]) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "flake.nix").touch()
    (tmp_path / ".gitignore").write_text("ignored\n")
    git(tmp_path, "add", "-A")
    (tmp_path / "ignored").touch()
    return tmp_path


def parsed(folder: Path, text: str = ".") -> Installable:
    return Installable.parse(text, cwd=folder)


def test_without_untracked_files_there_is_no_hint(repository: Path) -> None:
    assert untracked_files(parsed(repository), environ=ENVIRON) == ()
    assert hint_untracked(parsed(repository), environ=ENVIRON) == ""


def test_names_are_quoted_for_a_shell(repository: Path) -> None:
    (repository / "a b.nix").touch()
    (repository / "sub").mkdir()
    (repository / "sub/c.nix").touch()
    assert untracked_files(parsed(repository), environ=ENVIRON) == ("a b.nix", "sub/c.nix")
    assert "`git add --intent-to-add -- 'a b.nix' sub/c.nix`" in hint_untracked(
        parsed(repository), environ=ENVIRON
    )


def test_at_most_ten_files_are_named(repository: Path) -> None:
    for number in range(13):
        (repository / f"file{number:02}.nix").touch()
    hint = hint_untracked(parsed(repository), environ=ENVIRON)
    assert "file09.nix` (and 3 more)" in hint
    assert "file10.nix" not in hint


def test_a_file_name_that_is_not_utf_8_is_shown(repository: Path) -> None:
    Path(os.fsdecode(os.fsencode(repository) + b"/\xff.nix")).touch()
    assert "?.nix" in hint_untracked(parsed(repository), environ=ENVIRON)


def test_a_repository_of_another_user_is_read(repository: Path) -> None:
    """The workspace that CI mounts into a container belongs to another user."""
    (repository / "a.nix").touch()
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 1001, 127)
    assert untracked_files(parsed(repository), environ=ENVIRON) == ("a.nix",)


@pytest.mark.parametrize("text", ["path:.", "github:o/r"])
def test_flakes_that_nix_reads_without_git_have_no_untracked_files(repository: Path, text: str) -> None:
    (repository / "a.nix").touch()
    assert untracked_files(parsed(repository, text), environ=ENVIRON) == ()


def test_without_a_repository_or_git_there_are_no_untracked_files(repository: Path, tmp_path: Path) -> None:
    (repository / "a.nix").touch()
    assert untracked_files(parsed(repository), environ={"PATH": "/nowhere"}) == ()
    for path in (repository / ".git").iterdir():
        if path.name == "HEAD":
            path.unlink()
    assert untracked_files(parsed(repository), environ=ENVIRON) == ()
