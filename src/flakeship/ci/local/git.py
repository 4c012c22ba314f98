"""Describes a working tree of Git, for machines without a platform that we know, and where a platform does not tell all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from flakeship.ci.local.defaults import NAME
from flakeship.errors import ResourceError
from flakeship.metadata.context import Context, Repository
from flakeship.outside.moments import moment_of
from flakeship.outside.mounted import in_container, other_half

if TYPE_CHECKING:
    from flakeship.ci.protocol import Api

_SCP: Final = re.compile(r"(?:[^/@]*@)?(?P<host>\[[^\]]+\]|[A-Za-z0-9._-]+):(?P<path>(?!//)[^\\:].*)")
_SHA: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SEPARATOR: Final = "\x1f"
_CHANGES: Final = ("status", "--porcelain", "-uno")


def context(environ: Mapping[str, str], *, cwd: str, now: datetime, api: Api | None = None) -> Context:
    """Describe the working tree at `cwd`. Where git, a repository or a commit is missing, a notice tells it."""
    git = Git(environ, cwd)
    found = Context(run_date=now, commit_date=now, platform=NAME, actor=environ.get("USER", ""))
    try:
        return replace(_head(found, git), repository=_repository(git), dirty=bool(git(*_CHANGES)))
    except GitError as error:
        return replace(found, notices=(str(error),))


def from_git(found: Context, environ: Mapping[str, str], *, cwd: str) -> Context:
    """Replace ref and commit by those of the working tree, as `context: git` of docker/metadata-action does.

    A default branch that the event does not name is the one that the remote names.
    https://github.com/docker/metadata-action#inputs
    """
    git = Git(environ, cwd)
    try:
        found = _head(found, git)
        if found.repository.default_branch:
            return found
        default = _repository(git).default_branch
        return replace(found, repository=replace(found.repository, default_branch=default))
    except GitError as error:
        return replace(found, notices=(*found.notices, str(error)))


def is_dirty(environ: Mapping[str, str], *, cwd: str, but_for: str) -> bool:
    """Tell whether tracked files differ from the commit, `but_for` a folder at the top; False where git can't tell."""
    return bool(Git(environ, cwd).or_empty(*_CHANGES, "--", ":/", f":(exclude,top){but_for}"))


def has_changes(environ: Mapping[str, str], *, cwd: str) -> bool | None:
    """Tell whether tracked files differ from the commit; None where git can't tell."""
    try:
        return bool(Git(environ, cwd)(*_CHANGES))
    except GitError:
        return None


def is_submodule(environ: Mapping[str, str], *, cwd: str) -> bool:
    """Tell whether the repository at `cwd` is part of another one, whose commit says which of its commits is meant."""
    return bool(Git(environ, cwd).or_empty("rev-parse", "--show-superproject-working-tree"))


def commit_date(sha: str, *, environ: Mapping[str, str], cwd: str) -> datetime | None:
    """Return the date of a commit; None where the working tree at `cwd` lacks it."""
    if not _SHA.fullmatch(sha):
        return None
    try:
        return moment_of(Git(environ, cwd)("show", "-s", "--format=%cI", f"{sha}^{{commit}}", "--"))
    except GitError:
        return None


class GitError(Exception):
    """Git is missing, or it refused. The message tells why in a clause without a full stop."""


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git in `cwd`, without prompts, locks or downloads."""

    environ: Mapping[str, str]
    cwd: str

    def __call__(self, *arguments: str) -> str:
        """Run git and return its output, stripped.

        Raises GitError, which quotes no message of git: such a message may contain a URL with a password.
        """
        from flakeship.confinement import variables  # CI mostly knows without git
        from flakeship.process import NotStartedError, run

        environ = {
            **variables.GIT.of(self.environ),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "LC_ALL": "C",
        }
        try:
            done = run([*variables.GIT_COMMAND, *arguments], environ=environ, cwd=self.cwd, timeout=60)
        except (NotStartedError, ResourceError, TimeoutError):
            raise GitError("git can't be started, so branch, tag and commit are unknown") from None
        if done.returncode == 0:
            return done.stdout.decode(errors="replace").strip()
        if b"dubious ownership" in done.stderr:
            raise GitError(
                f"git does not trust {self.cwd}, which another user owns, so branch, tag and commit are unknown"
                " (git config --global --add safe.directory DIR)"
            )
        if b"not a git repository" in done.stderr:
            raise GitError(f"{self._why_no_repository()}, so branch, tag and commit are unknown")
        raise GitError(f"git {arguments[0]} failed, so some of branch, tag and commit are unknown")

    def _why_no_repository(self) -> str:
        contained = in_container(self.environ)
        half = other_half(Path(self.cwd))
        if half and not half.is_here:
            mount = f" (start it by `docker run {half.mount} …`)" if contained else ""
            return f"this is a worktree or a submodule of git whose other half, {half.folder}, is not here{mount}"
        mount = (
            " that this container sees (mount the top of the one that it lies in; without one, run `git init`)"
            if contained
            else ""
        )
        return f"this folder is not in a git repository{mount}"

    def or_empty(self, *arguments: str) -> str:
        """Run git and return its output; empty where it fails."""
        try:
            return self(*arguments)
        except GitError:
            return ""


def _head(found: Context, git: Git) -> Context:
    git("rev-parse", "--git-dir")
    branch = git.or_empty("symbolic-ref", "-q", "HEAD")
    line = git.or_empty(
        "log", "-1", "--decorate=full", f"--format=%H{_SEPARATOR}%cI{_SEPARATOR}%D", "HEAD", "--"
    )
    if not line:
        return replace(found, ref=branch, notices=(*found.notices, "the repository has no commit yet"))
    sha, date, decorations = line.split(_SEPARATOR)
    return replace(
        found,
        sha=sha,
        commit_date=moment_of(date) or found.run_date,
        ref=branch or detached_ref(decorations),
        tags_at_head=tuple(
            name.removeprefix("tag: refs/tags/")
            for name in decorations.split(", ")
            if branch and name.startswith("tag: refs/tags/")
        ),
    )


def detached_ref(decorations: str) -> str:
    """Choose the ref of a detached head from `git log --decorate=full --format=%D`: a tag, a pull request or a branch.

    Empty where no ref points at the commit itself: branches that contain it may be far ahead of it.
    """
    names = [name.removeprefix("tag: ") for name in decorations.split(", ")]
    tags = [name for name in names if name.startswith("refs/tags/")]
    pulls = [
        re.sub(r"^refs/remotes/(?=pull/)", "refs/", name)
        for name in names
        if re.match(r"refs/(remotes/)?pull/\d+/", name)
    ]
    heads = [name for name in names if name.startswith("refs/heads/")]
    remote = [
        re.sub(r"^refs/remotes/[^/]+/", "refs/heads/", name)
        for name in names
        if re.match(r"refs/remotes/[^/]+/(?!HEAD$)", name)
    ]
    return next(iter((*tags, *pulls, *heads, *remote)), "")


def _repository(git: Git) -> Repository:
    remotes = git.or_empty("remote").split()
    remote = next((name for name in ("origin", "upstream", *remotes) if name in remotes), "")
    page = page_url(git.or_empty("remote", "get-url", remote)) if remote else ""
    head = (
        git.or_empty("symbolic-ref", "-q", f"refs/remotes/{remote}/HEAD").removeprefix(
            f"refs/remotes/{remote}/"
        )
        if remote
        else ""
    )
    full_name = urlsplit(page).path.strip("/")
    return Repository(
        name=full_name.rpartition("/")[2],
        full_name=full_name,
        url=page,
        default_branch=head or _usual_branch(git),
    )


def _usual_branch(git: Git) -> str:
    """Return `main` or `master`, if exactly one of them exists; for a repository whose remote names no default branch."""
    branches = git.or_empty(
        "for-each-ref", "--format=%(refname:short)", "refs/heads/main", "refs/heads/master"
    ).split()
    return branches[0] if len(branches) == 1 else ""


def page_url(url: str) -> str:
    """Return the web page of a remote: `git@host:o/n.git`, `ssh://git@host:22/o/n`,
    `https://user:password@host/o/n.git` → `https://host/o/n`.

    Empty for a path of this machine. User and password are removed.
    """
    scp = None if "://" in url else _SCP.fullmatch(url)
    if scp:
        return _page(f"https://{scp['host']}", scp["path"])
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https", "ssh", "git", "git+ssh", "git+https"} or not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    web = parts.scheme in {"http", "https"}
    origin = f"{parts.scheme if web else 'https'}://{host}{f':{port}' if web and port else ''}"
    return _page(origin, parts.path, query=parts.query + parts.fragment)


def _page(origin: str, path: str, *, query: str = "") -> str:
    """Return a URL; empty where the path or query has an `@`: then a password with `/`, `?` or `#` was taken for a path."""
    bare = path.strip("/").removesuffix(".git").strip("/")
    return "" if "@" in path + query else f"{origin}/{bare}"
