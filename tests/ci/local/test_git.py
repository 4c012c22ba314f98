"""The context from real git working trees."""

import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flakeship.ci.github import event as github
from flakeship.ci.local import git as local
from flakeship.ci.platforms import current_platform
from flakeship.metadata.context import Context
from tests.metadata import events
from tests.metadata.events import NOW, SHA

ENVIRON = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "USER": "mona",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
       {"NAME": "M", "EMAIL": "m@example.org", "DATE": "2019-11-05T19:04:09+01:00"}.items()},
}  # fmt: skip
PASSWORD = "hunter2hunter2"


def event_in(folder: Path, **environ: str) -> Context:
    given = ENVIRON | environ
    return current_platform(given).context(given, cwd=str(folder), now=NOW)


class Tree:
    def __init__(self, path: Path) -> None:
        self.path = path

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=ENVIRON, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def context(self, **environ: str) -> Context:
        return event_in(self.path, **environ)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.git("init", "-q", "-b", "main")
    (tmp_path / "file").write_text("1")
    tree.git("add", "file")
    tree.git("commit", "-q", "-m", "first")
    return tree


def test_a_branch(tree: Tree) -> None:
    found = tree.context()
    assert (found.platform, found.ref, found.sha, found.actor) == (
        "local",
        "refs/heads/main",
        tree.git("rev-parse", "HEAD"),
        "mona",
    )
    assert found.commit_date == datetime(2019, 11, 5, 18, 4, 9, tzinfo=UTC)
    assert found.is_default_branch
    assert not found.dirty
    assert found.notices == ()


def test_the_tags_of_a_commit_whose_branch_is_checked_out(tree: Tree) -> None:
    assert tree.context().tags_at_head == ()
    tree.git("tag", "v1.2.3")
    tree.git("branch", "other")
    found = tree.context()
    assert (found.ref, found.tags_at_head) == ("refs/heads/main", ("v1.2.3",))
    tree.git("checkout", "-q", "v1.2.3")
    found = tree.context()
    assert (found.ref, found.tags_at_head) == ("refs/tags/v1.2.3", ())


def test_a_dirty_tree_is_one_whose_tracked_files_differ(tree: Tree) -> None:
    (tree.path / "other").write_text("untracked")
    assert not tree.context().dirty
    (tree.path / "file").write_text("2")
    assert tree.context().dirty


def test_a_detached_head_is_its_tag_or_branch_or_nothing(tree: Tree) -> None:
    tree.git("checkout", "-q", "--detach")
    assert tree.context().ref == "refs/heads/main"
    tree.git("tag", "-a", "v1,x/y", "-m", "t")
    assert tree.context().tag == "v1,x/y"
    tree.git("commit", "-q", "--allow-empty", "-m", "second")
    assert tree.context().ref == ""


@pytest.mark.parametrize(
    ("decorations", "ref"),
    [
        ("HEAD", ""),
        ("", ""),
        ("grafted, HEAD", ""),
        ("HEAD, tag: refs/tags/v1, refs/heads/main", "refs/tags/v1"),
        ("HEAD, refs/remotes/pull/2/merge", "refs/pull/2/merge"),
        ("HEAD, refs/pull/2/head", "refs/pull/2/head"),
        ("grafted, HEAD, refs/remotes/origin/my/branch", "refs/heads/my/branch"),
        ("HEAD, refs/remotes/origin/HEAD, refs/remotes/origin/dev", "refs/heads/dev"),
        ("HEAD, refs/remotes/origin/dev, refs/heads/dev", "refs/heads/dev"),
    ],
)
def test_what_points_at_a_detached_head(decorations: str, ref: str) -> None:
    assert local.detached_ref(decorations) == ref


def test_a_shallow_clone_is_described_all_the_same(tree: Tree, tmp_path: Path) -> None:
    tree.git("commit", "-q", "--allow-empty", "-m", "second")
    tree.git("clone", "-q", "--depth", "1", f"file://{tree.path}", str(tmp_path / "clone"))
    clone = Tree(tmp_path / "clone")
    found = clone.context()
    assert (found.ref, found.sha) == ("refs/heads/main", tree.git("rev-parse", "HEAD"))
    assert (found.repository.default_branch, found.repository.url) == ("main", "")


def test_no_repository_no_commit_no_git(tree: Tree, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    found = event_in(outside, GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert (found.ref, found.notices) == (
        "",
        ("this folder is not in a git repository, so branch, tag and commit are unknown",),
    )
    (outside / ".git").write_text("gitdir: /absent/app/.git/worktrees/x\n")
    (notice,) = event_in(outside, container="oci").notices
    assert (
        'other half, /absent/app/.git/worktrees/x, is not here (start it by `docker run -v "${PWD}:${PWD}"'
        in notice
    )
    (outside / ".git").unlink()
    empty = Tree(outside)
    empty.git("init", "-q", "-b", "trunk")
    found = empty.context()
    assert (found.ref, found.sha, found.notices) == (
        "refs/heads/trunk",
        "",
        ("the repository has no commit yet",),
    )
    assert "git can't be started" in tree.context(PATH="/nonexistent").notices[0]


def test_the_password_of_a_remote_is_seen_nowhere(tree: Tree) -> None:
    tree.git("remote", "add", "origin", f"https://mona:{PASSWORD}@git.example.org:8443/octo/app.git")
    found = tree.context()
    assert found.repository.url == "https://git.example.org:8443/octo/app"
    assert (found.repository.name, found.repository.full_name) == ("app", "octo/app")
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://github.com/octo/app.git", "https://github.com/octo/app"),
        ("https://github.com/octo/app/", "https://github.com/octo/app"),
        (f"https://{PASSWORD}@github.com/octo/app", "https://github.com/octo/app"),
        (f"https://x:{PASSWORD}@gitlab.com/a/b/c.git", "https://gitlab.com/a/b/c"),
        ("http://git.local:3000/o/a", "http://git.local:3000/o/a"),
        ("git@github.com:octo/app.git", "https://github.com/octo/app"),
        ("github.com:octo/app", "https://github.com/octo/app"),
        ("ssh://git@github.com/octo/app.git", "https://github.com/octo/app"),
        ("ssh://git@github.com:22/octo/app", "https://github.com/octo/app"),
        ("git+ssh://git@host/o/a", "https://host/o/a"),
        ("git://host/o/a.git", "https://host/o/a"),
        ("https://[::1]:3000/o/a", "https://[::1]:3000/o/a"),
        ("file:///srv/app.git", ""),
        ("/srv/app.git", ""),
        ("../app", ""),
        ("https://host:port/o/a", ""),
        ("https://x:1234/hunter2@host/o/a", ""),
        ("https://x:1234#hunter2@host/o/a", ""),
        ("x:1234/hunter2@host:o/a", ""),
        ("https://[broken/o", ""),
        ("ext::sh -c x", ""),
        ("", ""),
    ],
)
def test_the_page_of_a_remote(url: str, page: str) -> None:
    assert local.page_url(url) == page


def test_git_can_take_the_place_of_what_a_platform_says(tree: Tree, tmp_path: Path) -> None:
    environ = events.github("tag v1.2.3", tmp_path) | ENVIRON
    found = local.from_git(github.context(environ, cwd=str(tree.path), now=NOW), environ, cwd=str(tree.path))
    assert (found.platform, found.ref, found.sha) == (
        "github",
        "refs/heads/main",
        tree.git("rev-parse", "HEAD"),
    )
    kept = local.from_git(found, environ | {"PATH": "/nonexistent"}, cwd=str(tree.path))
    assert (kept.ref, "git can't be started" in kept.notices[-1]) == (found.ref, True)


def test_the_date_of_a_commit_is_asked_of_git(tree: Tree) -> None:
    head = tree.git("rev-parse", "HEAD")
    assert local.commit_date(head, environ=ENVIRON, cwd=str(tree.path)) == datetime(
        2019, 11, 5, 18, 4, 9, tzinfo=UTC
    )
    assert local.commit_date(SHA, environ=ENVIRON, cwd=str(tree.path)) is None


@pytest.mark.parametrize("date", ["@253402300800 +0000", "@1572977049 +9959"])
def test_a_commit_of_no_possible_date_is_described_all_the_same(
    tree: Tree, date: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRON, "GIT_COMMITTER_DATE", date)
    tree.git("commit", "-q", "--amend", "-m", "again")
    found = tree.context()
    assert (found.branch, found.sha) == ("main", tree.git("rev-parse", "HEAD"))
    asked = local.commit_date(found.sha, environ=ENVIRON, cwd=str(tree.path))
    assert found.commit_date == (asked or NOW)


def test_the_default_branch_is_the_remotes_where_no_payload_names_it(tree: Tree) -> None:
    tree.git("remote", "add", "origin", "https://example.org/o/n")
    tree.git("update-ref", "refs/remotes/origin/trunk", "HEAD")
    tree.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    tree.git("checkout", "-q", "-b", "trunk")
    environ = ENVIRON | {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/x"}
    found = github.context(environ, cwd=str(tree.path), now=NOW)
    assert found.repository.default_branch == ""
    found = local.from_git(found, environ, cwd=str(tree.path))
    assert (found.branch, found.is_default_branch) == ("trunk", True)
    named = replace(found, repository=replace(found.repository, default_branch="main"))
    assert local.from_git(named, environ, cwd=str(tree.path)).repository.default_branch == "main"
