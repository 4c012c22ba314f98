"""Describes the event of a workflow run on GitHub from the environment and the event's payload.

https://docs.github.com/actions/reference/variables-reference and .../webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flakeship.ci.event import short_sha_length, wants_head_sha
from flakeship.ci.github.recognition import NAME
from flakeship.ci.local import git
from flakeship.errors import Error
from flakeship.metadata.context import Context, Repository
from flakeship.outside.moments import moment_of
from flakeship.outside.reading import DOCUMENT_LIMIT, json_of, read_file

if TYPE_CHECKING:
    from flakeship.ci.protocol import Api

_DEPENDABOT: Final = "dependabot[bot]"
_KEPT_FROM_DEPENDABOT: Final = "Dependabot started this run, and GitHub keeps the secrets of Actions from it"
"""Its GITHUB_TOKEN may only read, unless `permissions` say more.

https://docs.github.com/code-security/dependabot/troubleshooting-dependabot/troubleshooting-dependabot-on-github-actions
"""

_ONLY_DEFAULT_BRANCH: Final = ("create", "discussion", "issues", "schedule")
"""Events that start workflows of the default branch only, as far as docker/metadata-action knows them.

https://docs.github.com/actions/using-workflows/events-that-trigger-workflows
"""


def context(environ: Mapping[str, str], *, cwd: str, now: datetime, api: Api | None = None) -> Context:
    """Describe the event. What the payload lacks comes from `api`, if it is given, or else from git.

    A payload that is missing or broken is no error: its part of the context stays empty, and a notice tells why.
    Raises UsageError for a malformed DOCKER_METADATA_SHORT_SHA_LENGTH.
    """
    payload, notices = _payload(environ)
    event = environ.get("GITHUB_EVENT_NAME", "")
    sha = _sha(environ, event, payload)
    repository = _repository(environ, payload, api)
    reason = _untrusted_because(event, payload, at_home=_is_act(environ))
    by_bot = environ.get("GITHUB_ACTOR") == _DEPENDABOT
    url = f"{_server(environ)}/{repository.full_name}"
    found = Context(
        run_date=now,
        commit_date=_commit_date(payload, sha)
        or _date_from_api(api, repository, sha)
        or git.commit_date(sha, environ=environ, cwd=cwd)
        or now,
        platform=NAME,
        event=event,
        ref=environ.get("GITHUB_REF", ""),
        sha=sha,
        schedule="schedule" in event,
        always_default=any(word in event for word in _ONLY_DEFAULT_BRANCH),
        actor=environ.get("GITHUB_ACTOR", ""),
        repository=repository,
        trusted=not reason,
        untrusted_because=reason,
        secrets_kept_because=reason or (_KEPT_FROM_DEPENDABOT if by_bot else ""),
        by_bot=by_bot,
        run_url=f"{url}/actions/runs/{environ['GITHUB_RUN_ID']}" if environ.get("GITHUB_RUN_ID") else "",
        run_id=environ.get("GITHUB_RUN_ID", ""),
        builder=_workflow(environ),
        invocation=_invocation(environ, url),
        short_sha_length=short_sha_length(environ),
        notices=notices,
    )
    return _with_refs(found, environ, payload)


def _workflow(environ: Mapping[str, str]) -> str:
    """The address by which GitHub's own provenance names the workflow, with its ref; empty where act runs this.

    https://slsa.dev/spec/v1.0/provenance#builder.id
    """
    workflow = environ.get("GITHUB_WORKFLOW_REF", "")
    return f"{_server(environ)}/{workflow}" if workflow and not _is_act(environ) else ""


def _invocation(environ: Mapping[str, str], url: str) -> str:
    """The address of this try of the run; empty where act runs this, which gives runs a number all the same."""
    run, attempt = environ.get("GITHUB_RUN_ID", ""), environ.get("GITHUB_RUN_ATTEMPT", "")
    if not run or _is_act(environ):
        return ""
    return f"{url}/actions/runs/{run}" + (f"/attempts/{attempt}" if attempt else "")


def field(document: object, *keys: str) -> Any:
    """Return the value behind nested keys of a JSON document; None where an object or key is missing."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def text(document: object, *keys: str) -> str:
    """Return the string behind nested keys of a JSON document; empty if a key is missing or its value is not a string."""
    value = field(document, *keys)
    return value if isinstance(value, str) else ""


def _payload(environ: Mapping[str, str]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path:
        return {}, ("GITHUB_EVENT_PATH is not set, so only the environment says what started this run",)
    try:
        payload = json_of(read_file(Path(path), DOCUMENT_LIMIT))
    except OSError as error:
        return {}, (
            f"the event payload can't be read ({error.strerror}), so only the environment says what started this run",
        )
    except ValueError as error:
        return {}, (
            f"the event payload can't be read ({error}), so only the environment says what started this run",
        )
    if not isinstance(payload, dict):
        return {}, (
            "the event payload is not a JSON object, so only the environment says what started this run",
        )
    wanted, found = environ.get("GITHUB_REPOSITORY", ""), text(payload, "repository", "full_name")
    if wanted and found and wanted.lower() != found.lower():
        return {}, (f"the event payload is of {found}, not of {wanted}, and is left aside",)
    return payload, ()


def _with_refs(found: Context, environ: Mapping[str, str], payload: Mapping[str, Any]) -> Context:
    """Set `ref` and `base_ref`. In a `pull_request_target` GITHUB_REF is the target branch, so the ref is built here."""
    number = payload.get("number")
    if "pull_request_target" in found.event and type(number) is int:
        found = replace(found, ref=f"refs/pull/{number}/merge")
    if found.ref.startswith("refs/tags/"):
        return replace(found, base_ref=text(payload, "base_ref").removeprefix("refs/heads/"))
    if found.ref.startswith("refs/pull/"):
        base = text(payload, "pull_request", "base", "ref") or environ.get("GITHUB_BASE_REF", "")
        by_act = "; give act one that does, by `--eventpath FILE`" if _is_act(environ) else ""
        notices = (
            ()
            if field(payload, "pull_request")
            else (f"the event payload says nothing of a pull request{by_act}",)
        )
        return replace(found, base_ref=base, notices=found.notices or notices)
    return found


def _sha(environ: Mapping[str, str], event: str, payload: Mapping[str, Any]) -> str:
    head = text(payload, "pull_request", "head", "sha")
    return (
        head
        if head and "pull_request" in event and wants_head_sha(environ)
        else environ.get("GITHUB_SHA", "")
    )


def _commit_date(payload: Mapping[str, Any], sha: str) -> datetime | None:
    commits = payload.get("commits")
    for commit in (*(commits if isinstance(commits, list) else ()), payload.get("head_commit")):
        if sha and text(commit, "id") == sha and (found := moment_of(text(commit, "timestamp"))):
            return found
    return None


def _date_from_api(api: Api | None, repository: Repository, sha: str) -> datetime | None:
    if not (api and sha and repository.full_name):
        return None
    return moment_of(
        text(_ask(api, f"repos/{repository.full_name}/commits/{sha}"), "commit", "committer", "date")
    )


def _ask(api: Api, path: str) -> Any:
    """Return None where the API refuses or can't be reached: that is no reason to fail, and a notice has told it."""
    try:
        return api(path)
    except Error:
        return None


def _server(environ: Mapping[str, str]) -> str:
    return environ.get("GITHUB_SERVER_URL", "").rstrip("/") or "https://github.com"


def _repository(environ: Mapping[str, str], payload: Mapping[str, Any], api: Api | None) -> Repository:
    full_name = environ.get("GITHUB_REPOSITORY", "") or text(payload, "repository", "full_name")
    document = payload.get("repository")
    if api and full_name and not text(document, "default_branch"):
        document = _ask(api, f"repos/{full_name}")
    return Repository(
        name=text(document, "name") or full_name.rpartition("/")[2],
        full_name=full_name,
        description=text(document, "description"),
        url=text(document, "html_url") or (f"{_server(environ)}/{full_name}" if full_name else ""),
        license=text(document, "license", "spdx_id"),
        default_branch=text(document, "default_branch") or _branch_of_a_timer(environ),
        visibility=_visibility(document),
    )


def _visibility(document: Any) -> str:
    """Older servers say only whether it is private."""
    private = document.get("private") if isinstance(document, dict) else None
    known = isinstance(private, bool)
    return text(document, "visibility") or (("private" if private else "public") if known else "")


def _branch_of_a_timer(environ: Mapping[str, str]) -> str:
    """Return the default branch where the event starts on no other; "" for other events, and for `create`."""
    event = environ.get("GITHUB_EVENT_NAME", "")
    ref = environ.get("GITHUB_REF", "")
    if not any(word in event for word in _ONLY_DEFAULT_BRANCH if word != "create"):
        return ""
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""


def _is_act(environ: Mapping[str, str]) -> bool:
    """Tell whether act runs this on somebody's own machine. The runners of Forgejo and Gitea are made of act, and say so.

    https://nektosact.com/usage/index.html#skipping-steps
    """
    forges = ("FORGEJO_ACTIONS", "GITEA_ACTIONS")
    return environ.get("ACT") == "true" and not any(environ.get(name) for name in forges)


def _untrusted_because(event: str, payload: Mapping[str, Any], *, at_home: bool) -> str:
    """Explain why the code may come from a stranger; empty where it may not.

    `at_home`: about a pull request act's payload holds only what its user wrote, and the code is that user's working tree.
    """
    if "pull_request_target" in event:
        return (
            "pull_request_target runs with the secrets of this repository on a change that anyone may propose"
        )
    if event.startswith("pull_request"):
        own, others = (
            text(payload, "pull_request", "base", "repo", "full_name"),
            text(payload, "pull_request", "head", "repo", "full_name"),
        )
        unsaid = at_home and not (own or others)
        if not unsaid and (not others or own != others):
            return f"the pull request comes from {others or 'a repository that is not known'}"
    if event == "workflow_run":
        own, others = (
            text(payload, "repository", "full_name"),
            text(payload, "workflow_run", "head_repository", "full_name"),
        )
        if not others or own != others:
            return f"the workflow was started by one of {others or 'a repository that is not known'}"
    return ""
