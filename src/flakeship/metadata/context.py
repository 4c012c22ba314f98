"""The event that started a run, in words of no CI platform, and the facts that Nix adds; plain values."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from flakeship.outside.reading import whole_text

_PULL: Final = re.compile(r"refs/(?:pull|merge-requests)/(.*)", re.DOTALL)


_Value = TypeVar("_Value", "Context", "Repository")


@dataclass(frozen=True, slots=True)
class Repository:
    """The project as its host describes it; unknown fields are "".

    `url` is its page, `license` an SPDX expression, `full_name` "owner/name". `visibility` is `public`, `private` or
    `internal`.
    """

    name: str = ""
    full_name: str = ""
    description: str = ""
    url: str = ""
    license: str = ""
    default_branch: str = ""
    visibility: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """One event on one commit.

    `ref` is the full ref (`refs/heads/…`, `refs/tags/…`, `refs/pull/N/merge`, `refs/merge-requests/N/head`).
    `run_date` and `commit_date` are aware. `schedule` says that a timer started the run, `always_default` that the
    platform starts this kind of event on nothing but the default branch. `base_ref` is the target branch of a pull
    request, or the branch that a tag was pushed from where the platform says so. `trusted` is False where the code
    under build may be a stranger's (fork, pull_request_target), and `untrusted_because` says why.
    `secrets_kept_because` says why the platform may keep secrets from this run, and `by_bot` is True where a bot
    started it that the platform gives less than people (Dependabot). `image` is the image name that the platform
    suggests, in the variable that `image_variable` names (CI_REGISTRY_IMAGE); both are empty on platforms that
    suggest none. `image_given_by` is how a user sets that variable where the platform's own value may be wrong, and
    else empty. `run_id` is what all jobs of one run share, and a second try of them too: GitHub's run, GitLab's
    pipeline. `builder` is the address of what the platform ran: GitHub's workflow with its ref, GitLab's runner;
    `invocation` is that of this one try of the job. Both are empty where a tool imitates the platform, whose
    addresses lead nowhere then.
    """

    run_date: datetime
    commit_date: datetime
    platform: str = "local"
    event: str = ""
    ref: str = ""
    sha: str = ""
    base_ref: str = ""
    schedule: bool = False
    always_default: bool = False
    actor: str = ""
    repository: Repository = Repository()
    trusted: bool = True
    untrusted_because: str = ""
    secrets_kept_because: str = ""
    by_bot: bool = False
    dirty: bool = False
    image: str = ""
    image_variable: str = ""
    image_given_by: str = ""
    run_url: str = ""
    run_id: str = ""
    builder: str = ""
    invocation: str = ""
    short_sha_length: int = 7
    tags_at_head: tuple[str, ...] = ()
    """The Git tags of the commit where a branch is checked out, so that none of them is the ref."""
    describes_source: bool = True
    """False where the commit is not that of what is published, so that no label may name it."""
    notices: tuple[str, ...] = ()
    """What the user should know of how this was found out (a payload that could not be read)."""

    @property
    def from_outside(self) -> bool:
        """True where a stranger or a bot started the run, so that nobody of the project expects it to push."""
        return self.by_bot or not self.trusted

    @property
    def committed(self) -> datetime | None:
        """The commit's date; None where it is unknown and `commit_date`, which templates need, is the date of the run."""
        known = self.describes_source and self.sha and self.commit_date != self.run_date
        return self.commit_date if known else None

    @property
    def branch(self) -> str:
        """The name of the branch, "" if `ref` is not a branch."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""

    @property
    def tag(self) -> str:
        """The name of the Git tag, "" if `ref` is not a tag."""
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else ""

    @property
    def pull_request(self) -> str:
        """The number of the pull or merge request, "" if `ref` is not one."""
        found = _PULL.match(self.ref)
        if not found:
            return ""
        suffixes = (
            ("/head", "/merge", "/train") if self.ref.startswith("refs/merge-requests/") else ("/merge",)
        )
        number = found[1]
        for suffix in suffixes:
            number = number.removesuffix(suffix)
        return number

    @property
    def short_sha(self) -> str:
        """The first `short_sha_length` digits of the commit."""
        return self.sha[: max(0, self.short_sha_length)]

    @property
    def is_default_branch(self) -> bool:
        """True on the default branch, and for events that start on no other branch.

        https://docs.github.com/actions/using-workflows/events-that-trigger-workflows
        """
        branch = self.ref.removeprefix("refs/heads/")
        return bool(branch) and (branch == self.repository.default_branch or self.always_default)


@dataclass(frozen=True, slots=True)
class NixFacts:
    """Facts from Nix about a build and its flake; unknown ones are "". `license_spdx` is an SPDX expression."""

    output_hash: str = ""
    name: str = ""
    version: str = ""
    description: str = ""
    homepage: str = ""
    license_spdx: str = ""
    hash_unknown: str = ""
    """Why there is no hash, where there is a reason to give."""


def in_whole_text(context: Context) -> Context:
    """Replace what is no text in any field: the environment may hold bytes that are no UTF-8."""
    found = replace(context, notices=tuple(map(whole_text, context.notices)))
    return _cleaned(replace(found, repository=_cleaned(found.repository)))


def _cleaned(value: _Value) -> _Value:
    texts: dict[str, Any] = {
        item.name: whole_text(text)
        for item in fields(value)
        if isinstance(text := getattr(value, item.name), str)
    }
    return replace(value, **texts)
