"""Describes the event of a GitLab pipeline from its predefined variables.

https://docs.gitlab.com/ci/variables/predefined_variables/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from flakeship.ci.event import short_sha_length, wants_head_sha
from flakeship.ci.gitlab.recognition import LOCAL_FOLDER, NAME, by_gitlab_ci_local
from flakeship.ci.local import git
from flakeship.errors import UsageError
from flakeship.metadata.context import Context, Repository
from flakeship.outside.moments import moment_of

if TYPE_CHECKING:
    from flakeship.ci.protocol import Api


def context(environ: Mapping[str, str], *, cwd: str, now: datetime, api: Api | None = None) -> Context:
    """Describe the pipeline's event from the environment.

    From git come a commit date that is missing there, and whether gitlab-ci-local runs this with changes to the commit.
    UsageError for a merge request without its number, as somebody may play one: its image would get the tag of the branch.
    """
    get = environ.get
    _check_merge_request(environ)
    sha = get("CI_COMMIT_SHA", "")
    if wants_head_sha(environ):
        sha = get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "") or sha
    date = moment_of(get("CI_COMMIT_TIMESTAMP", "")) if sha == get("CI_COMMIT_SHA", "") else None
    reason = _untrusted_because(environ)
    by_local_tool = by_gitlab_ci_local(environ)
    return Context(
        run_date=now,
        commit_date=date or git.commit_date(sha, environ=environ, cwd=cwd) or now,
        platform=NAME,
        event=get("CI_PIPELINE_SOURCE", ""),
        ref=_ref(environ),
        sha=sha,
        base_ref=get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "")
        or get("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_NAME", ""),
        schedule=get("CI_PIPELINE_SOURCE") == "schedule",
        actor=get("GITLAB_USER_LOGIN", ""),
        repository=_repository(environ),
        trusted=not reason,
        untrusted_because=reason,
        # docs/decisions.md#a-push-is-withheld-only-without-credentials
        secrets_kept_because=reason or ("" if by_local_tool else _unprotected(environ)),
        dirty=by_local_tool and git.is_dirty(environ, cwd=cwd, but_for=LOCAL_FOLDER),
        image=get("CI_REGISTRY_IMAGE", ""),
        image_variable="CI_REGISTRY_IMAGE",
        image_given_by="--variable CI_REGISTRY_IMAGE=HOST/NAME" if by_local_tool else "",
        run_url=get("CI_JOB_URL", "") or get("CI_PIPELINE_URL", ""),
        run_id=get("CI_PIPELINE_ID", ""),
        builder=_runner(environ),
        invocation="" if by_local_tool else get("CI_JOB_URL", ""),
        short_sha_length=short_sha_length(environ),
    )


def _runner(environ: Mapping[str, str]) -> str:
    """The address by which GitLab's own provenance names the runner; empty for a tool that runs pipelines elsewhere.

    https://docs.gitlab.com/ci/runners/configure_runners/#provenance-metadata-format
    """
    project, runner = environ.get("CI_PROJECT_URL", ""), environ.get("CI_RUNNER_ID", "")
    return f"{project}/-/runners/{runner}" if project and runner and not by_gitlab_ci_local(environ) else ""


def _check_merge_request(environ: Mapping[str, str]) -> None:
    if environ.get("CI_PIPELINE_SOURCE") == "merge_request_event" and not environ.get("CI_MERGE_REQUEST_IID"):
        raise UsageError(
            "CI_PIPELINE_SOURCE is merge_request_event, and CI_MERGE_REQUEST_IID is not set, so the merge request is not known",
            hint="give gitlab-ci-local both: `--variable CI_PIPELINE_SOURCE=merge_request_event --variable CI_MERGE_REQUEST_IID=7`",
        )


def _ref(environ: Mapping[str, str]) -> str:
    get = environ.get
    if get("CI_COMMIT_TAG"):
        return f"refs/tags/{environ['CI_COMMIT_TAG']}"
    if get("CI_MERGE_REQUEST_IID"):
        return f"refs/merge-requests/{environ['CI_MERGE_REQUEST_IID']}/head"
    if get("CI_EXTERNAL_PULL_REQUEST_IID"):
        return f"refs/pull/{environ['CI_EXTERNAL_PULL_REQUEST_IID']}/merge"
    branch = get("CI_COMMIT_BRANCH") or get("CI_COMMIT_REF_NAME")
    return f"refs/heads/{branch}" if branch else ""


def _repository(environ: Mapping[str, str]) -> Repository:
    get = environ.get
    return Repository(
        name=get("CI_PROJECT_TITLE", "") or get("CI_PROJECT_NAME", ""),
        full_name=get("CI_PROJECT_PATH", ""),
        description=get("CI_PROJECT_DESCRIPTION", ""),
        url=get("CI_PROJECT_URL", ""),
        default_branch=get("CI_DEFAULT_BRANCH", ""),
        visibility=get("CI_PROJECT_VISIBILITY", ""),
    )


def _unprotected(environ: Mapping[str, str]) -> str:
    """Explain that protected variables are kept from this ref; empty where it is protected or GitLab does not say.

    https://docs.gitlab.com/ci/variables/#protect-a-cicd-variable
    """
    if environ.get("CI_COMMIT_REF_PROTECTED") != "false":
        return ""
    return f"{environ.get('CI_COMMIT_REF_NAME') or 'the ref'} is not protected, and GitLab keeps protected variables from it"


def _untrusted_because(environ: Mapping[str, str]) -> str:
    """Explain why the code may come from a stranger; empty where it may not.

    A merge request from a fork may run in the parent project, with its variables, on the fork's code:
    https://docs.gitlab.com/ci/pipelines/merge_request_pipelines/#run-pipelines-in-the-parent-project
    """
    own, others = (
        environ.get("CI_MERGE_REQUEST_PROJECT_ID", ""),
        environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", ""),
    )
    if others == own or environ.get("CI_PROJECT_ID") == others:
        return ""
    return f"the merge request comes from {environ.get('CI_MERGE_REQUEST_SOURCE_PROJECT_PATH') or 'another project'}"
