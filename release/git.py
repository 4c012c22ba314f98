"""Git: the commit that is released, and the names that it gets at GitHub and at GitLab.

The commit is a child of the one that was tested. It differs in what is rendered with the image by its digest, and in the
README's links. Parent, digest and version alone decide its hash: a second run makes the same commit.
docs/decisions.md#a-released-commit-is-a-child-of-main
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flakeship.rendering.files import rendered
from release import NotReleasableError
from release.readme import with_absolute_links
from release.version import Version

_AUTHOR: Final = ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com")
MAIN: Final = "refs/heads/main"
_HANDED_OVER: Final = "refs/release/commit"


def git(root: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """Run git and return its stdout without the last line's end. NotReleasableError with what it said when it fails."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotReleasableError(
            f"`git {' '.join(arguments)}` failed with exit code {done.returncode}: {done.stderr.strip()}",
            hint="what is released already stays; run the release again when this is mended",
        )
    return done.stdout.removesuffix("\n")


def check_on_main(root: Path, remote: str) -> str:
    """Return the commit that is checked out. NotReleasableError if it is not on main, or the files differ from it."""
    commit = git(root, "rev-parse", "HEAD")
    if changed := git(root, "status", "--porcelain", "--untracked-files=no"):
        raise NotReleasableError(
            f"files differ from the commit {commit}:\n{changed}", hint="commit to main what is to be released"
        )
    git(root, "fetch", "--quiet", remote, MAIN)
    if not _is_within(root, commit, "FETCH_HEAD"):
        raise NotReleasableError(
            f"the commit {commit} is not on main",
            hint="release a commit that was merged to main and tested there",
        )
    return commit


def release_commit(root: Path, parent: str, version: Version, image: str) -> str:
    """Make the commit of a release on `parent`, whose files are below `root`, and return its hash.

    `image` is its reference with a digest, without `docker://`.
    """
    readme = with_absolute_links(git(root, "show", f"{parent}:README.md") + "\n", version)
    when = f"{time_of(root, parent)} +0000"
    identity = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in {"NAME": _AUTHOR[0], "EMAIL": _AUTHOR[1], "DATE": when}.items()
    }
    files = {**rendered(image=f"docker://{image}"), "README.md": readme}
    with tempfile.TemporaryDirectory() as index, tempfile.TemporaryDirectory() as folder:
        # beside what is checked out: an index of its own, and a work tree that holds only what differs
        environ = {"GIT_INDEX_FILE": f"{index}/index", **identity}
        for name, text in files.items():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, name).write_text(text, encoding="utf-8")
        git(root, "read-tree", parent, environ=environ)
        git(root, f"--work-tree={folder}", "add", "--force", "--", *files, environ=environ)
        tree = git(root, "write-tree", environ=environ)
        settled = (
            "-c",
            "commit.gpgSign=false",
            "commit-tree",
            tree,
            "-p",
            parent,
            "-m",
            f"Release {version}",
        )
        return git(root, *settled, environ=environ)


def time_of(root: Path, commit: str) -> str:
    """When it was committed, in seconds since 1970."""
    return git(root, "show", "--no-patch", "--format=%ct", commit)


def bundle(root: Path, commit: str, to: Path) -> None:
    """Write a file that holds `commit` and all before it, for jobs that only push it."""
    git(root, "update-ref", _HANDED_OVER, commit)
    git(root, "bundle", "create", "--quiet", str(to.resolve()), _HANDED_OVER)
    git(root, "update-ref", "-d", _HANDED_OVER)


def unbundle(root: Path, path: Path) -> str:
    """Take the commit of a bundle into the clone, and return its hash."""
    git(root, "fetch", "--quiet", str(path.resolve()), _HANDED_OVER)
    return git(root, "rev-parse", "FETCH_HEAD")


def check_tag(root: Path, remote: str, parent: str, version: Version) -> None:
    """NotReleasableError if the version's tag is there and is no release of the commit `parent`."""
    commit = refs(root, remote).get(f"refs/tags/{version.tag}")
    if commit:
        git(root, "fetch", "--quiet", remote, f"refs/tags/{version.tag}")
        if git(root, "rev-parse", "FETCH_HEAD^") != parent:
            raise _taken(version.tag, remote, commit)


def push_tag(root: Path, remote: str, name: str, commit: str) -> bool:
    """Give `commit` a name that is never moved, and tell whether it is new. NotReleasableError if another commit has it."""
    current = refs(root, remote).get(f"refs/tags/{name}")
    if current == commit:
        return False
    if current:
        raise _taken(name, remote, current)
    git(root, "push", "--quiet", remote, f"{commit}:refs/tags/{name}")
    return True


def push_component(root: Path, remote: str, *, parent: str, commit: str, version: Version) -> bool:
    """Bring main and the version's tag to GitLab, whose pipeline for the tag releases the component."""
    main = refs(root, remote).get(MAIN)
    if main:
        git(root, "fetch", "--quiet", remote, MAIN)
    if not main or not _is_within(root, parent, "FETCH_HEAD"):
        # the pipeline of the tag tests the same files
        git(root, "push", "--quiet", "--push-option=ci.skip", remote, f"{parent}:{MAIN}")
    return push_tag(root, remote, str(version), commit)


def is_newest_of_major(root: Path, remote: str, version: Version) -> bool:
    """Tell whether the major tag is this version's: a correction of an older minor version leaves it where it is."""
    return version.is_newest_of_major([name.removeprefix("refs/tags/") for name in refs(root, remote)])


def move_major_tag(root: Path, remote: str, version: Version, commit: str) -> None:
    """Let `v1` name `commit`, unless somebody else has moved it meanwhile."""
    name = f"refs/tags/{version.major_tag}"
    current = refs(root, remote).get(name)
    if current != commit:
        git(
            root, "push", "--quiet", f"--force-with-lease={name}:{current or ''}", remote, f"+{commit}:{name}"
        )


def refs(root: Path, remote: str) -> dict[str, str]:
    """Branches and tags of `remote`, each with its commit: that which an annotated tag stands for."""
    lines = (line.split("\t") for line in git(root, "ls-remote", remote).splitlines())
    found = {name: commit for commit, name in lines}
    return {
        name: found.get(f"{name}^{{}}", commit) for name, commit in found.items() if not name.endswith("^{}")
    }


def _is_within(root: Path, commit: str, other: str) -> bool:
    return git(root, "rev-list", "--max-count=1", commit, f"^{other}") == ""


def _taken(name: str, remote: str, commit: str) -> NotReleasableError:
    return NotReleasableError(
        f"the tag {name} of {remote} is on another commit, {commit}",
        hint="a version that was published stays what it is: finish that release with its own commit, or raise the version",
    )
