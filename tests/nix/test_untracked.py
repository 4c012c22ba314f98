"""Files that git does not track."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flakeship.nix.installable import Installable
from flakeship.nix.untracked import hint_untracked, is_named, untracked_files

ENVIRON = {"PATH": os.environ["PATH"]}
TOLD = "error: no such file: a b.nix sub/c.nix " + " ".join(f"file{number:02}.nix" for number in range(13))


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
    assert hint_untracked(parsed(repository), TOLD, environ=ENVIRON) == ""


def test_names_are_quoted_for_a_shell(repository: Path) -> None:
    (repository / "a b.nix").touch()
    (repository / "sub").mkdir()
    (repository / "sub/c.nix").touch()
    assert untracked_files(parsed(repository), environ=ENVIRON) == ("a b.nix", "sub/c.nix")
    hint = hint_untracked(parsed(repository), TOLD, environ=ENVIRON)
    assert "`git add --intent-to-add -- 'a b.nix' sub/c.nix`" in hint


def test_the_hint_works_where_the_command_was_written(repository: Path) -> None:
    (repository / "svc").mkdir()
    (repository / "svc/flake.nix").touch()
    hint = hint_untracked(parsed(repository, "./svc"), "error: flake.nix: not tracked", environ=ENVIRON)
    assert "`git -C svc add --intent-to-add -- flake.nix`" in hint


def test_where_git_tracks_nothing_yet_all_is_added_at_once(tmp_path: Path, git: Callable[..., str]) -> None:
    git(tmp_path, "init", "-q")
    for name in ("flake.nix", "other.nix"):
        (tmp_path / name).touch()
    hint = hint_untracked(parsed(tmp_path), "error: flake.nix: not tracked", environ=ENVIRON)
    assert hint.startswith("run `git add .`, after")


def test_at_most_ten_files_are_named(repository: Path) -> None:
    for number in range(13):
        (repository / f"file{number:02}.nix").touch()
    hint = hint_untracked(parsed(repository), TOLD, environ=ENVIRON)
    assert "file09.nix` (and 3 more)" in hint
    assert "file10.nix" not in hint


def test_a_file_name_that_is_not_utf_8_is_shown(repository: Path) -> None:
    Path(os.fsdecode(os.fsencode(repository) + b"/\xff.nix")).touch()
    told = b"error: path '/nix/store/x-source/\xff.nix' does not exist".decode(errors="surrogateescape")
    assert "?.nix" in hint_untracked(parsed(repository), told, environ=ENVIRON)


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


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("a.nix", "error: getting status of '/nix/store/x-source/a.nix': No such file or directory"),
        ("sub/c.nix", "error: getting status of '/nix/store/x-source/sub': No such file or directory"),
        ("sub/deep/c.nix", "error: path '/nix/store/x-source/sub/deep' does not exist"),
        ("src/main.c", "cc1: fatal error: main.c: No such file or directory"),
        ("data", "cat: data: No such file or directory"),
        ("data", "cp: can't stat '/build/source/data': No such file or directory"),
        ("helpers.py", "ModuleNotFoundError: No module named 'helpers'"),
        ("helpers/__init__.py", "ModuleNotFoundError: No module named 'helpers'"),
        ("Makefile.inc", "make: *** No rule to make target 'Makefile.inc'.  Stop."),
        ("go.sum", "missing go.sum entry; to add it: go mod download"),
    ],
)
def test_a_file_is_named_by_its_path_its_name_or_its_module(path: str, told: str) -> None:
    assert is_named(path, told)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("notes.txt", "make: *** [Makefile:2: all] Error 1"),
        ("data", "no data was read"),
        ("a", "a builder exited with code 1"),
        ("a.nix", "error: getting status of '/nix/store/x-source/aa.nix'"),
        ("a.nix", "error: getting status of '/nix/store/x-source/a.nix.orig'"),
        ("package/default.nix", "error: flake 'x' does not provide attribute 'default'"),
        ("error.log", "error: builder failed"),
        ("image/tool.py", "error: tool failed"),
    ],
)
def test_a_word_that_a_file_shares_with_a_message_does_not_name_it(path: str, told: str) -> None:
    assert not is_named(path, told)


def test_a_complaint_about_another_file_of_the_same_name_names_none(repository: Path) -> None:
    (repository / "old").mkdir()
    (repository / "old/main.c").touch()
    said = "main.c:1:2: error: expected ';'"
    assert hint_untracked(parsed(repository), said, environ=ENVIRON) == ""
    assert "old/main.c" in hint_untracked(parsed(repository), "main.c: No such file", environ=ENVIRON)


def test_a_link_into_the_store_is_no_file_of_the_flake(repository: Path) -> None:
    for name in ("result", "result-doc"):
        (repository / name).symlink_to(f"/nix/store/{'0' * 32}-image.tar.gz")
    (repository / "new.nix").symlink_to("flake.nix")
    assert untracked_files(parsed(repository), environ=ENVIRON) == ("new.nix",)


def test_what_would_be_missed_next_is_said_too(repository: Path) -> None:
    """A build names one file, and after `git add` the next."""
    for name in ("first.nix", "second.nix", "main.go", "util.go", "notes.txt"):
        (repository / name).touch()
    hint = hint_untracked(parsed(repository), "error: path 'x/first.nix' does not exist", environ=ENVIRON)
    assert hint.endswith(
        "-- first.nix`: Nix does not see files that git does not track, such as second.nix too"
    )
    hint = hint_untracked(parsed(repository), "main.go: no such file", environ=ENVIRON)
    assert hint.endswith("does not track, such as first.nix second.nix util.go too")
