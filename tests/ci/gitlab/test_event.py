"""The context from GitLab's predefined variables."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flakeship.ci.gitlab import event as gitlab
from flakeship.errors import UsageError
from flakeship.metadata.context import Context, Repository
from tests.metadata import events
from tests.metadata.events import NOW, SHA


def context(event: str, **more: str) -> Context:
    environ = events.gitlab(event)
    assert environ
    return gitlab.context(environ | more, cwd="/", now=NOW)


def test_a_push_is_described_whole() -> None:
    assert context("branch dev") == Context(
        run_date=NOW,
        commit_date=datetime(2019, 11, 5, 18, 4, 9, tzinfo=UTC),
        platform="gitlab",
        event="push",
        ref="refs/heads/dev",
        sha=SHA,
        actor="mona",
        repository=Repository("app", "octo/app", "An app", "https://gitlab.com/octo/app", "", "main"),
        image="registry.gitlab.com/octo/app",
        image_variable="CI_REGISTRY_IMAGE",
        run_url="https://gitlab.com/octo/app/-/jobs/42",
        invocation="https://gitlab.com/octo/app/-/jobs/42",
    )


def test_each_kind_of_pipeline_has_its_ref() -> None:
    assert context("tag v1.2.3").tag == "v1.2.3"
    merge = context("pr 7 to main")
    assert (merge.ref, merge.pull_request, merge.base_ref) == ("refs/merge-requests/7/head", "7", "main")
    assert context("schedule main").schedule
    external = gitlab.context({"CI_EXTERNAL_PULL_REQUEST_IID": "3"}, cwd="/", now=NOW)
    assert external.pull_request == "3"
    assert gitlab.context({"CI_COMMIT_REF_NAME": "x"}, cwd="/", now=NOW).branch == "x"
    assert gitlab.context({}, cwd="/", now=NOW).ref == ""


def test_a_merge_request_without_its_number_gets_no_tag_of_a_branch() -> None:
    """As with gitlab-ci-local and one variable: it pushed `:main` over what was published."""
    with pytest.raises(UsageError, match="CI_MERGE_REQUEST_IID is not set") as raised:
        gitlab.context(
            {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": "main"}, cwd="/", now=NOW
        )
    assert "--variable CI_MERGE_REQUEST_IID=7" in raised.value.hint


def test_a_schedule_on_another_branch_is_not_the_default_branch() -> None:
    assert context("schedule main").is_default_branch
    assert not context("schedule dev").is_default_branch


def test_the_head_commit_is_taken_where_asked() -> None:
    found = context(
        "pr 7 to main", DOCKER_METADATA_PR_HEAD_SHA="true", CI_MERGE_REQUEST_SOURCE_BRANCH_SHA="f" * 40
    )
    assert (found.sha, found.commit_date) == ("f" * 40, NOW)


@pytest.mark.parametrize(
    ("more", "trusted"),
    [
        ({}, True),
        (
            {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "8", "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "fork/app"},
            False,
        ),
        ({"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "8", "CI_PROJECT_ID": "8"}, True),
    ],
)
def test_a_fork_is_trusted_in_its_own_project_only(more: dict[str, str], trusted: bool) -> None:
    found = context("pr 7 to main", **more)
    assert found.trusted is trusted
    assert ("fork/app" in found.untrusted_because) is not trusted


@pytest.mark.parametrize(
    ("value", "reason"), [("false", "dev is not protected"), ("true", ""), ("", ""), ("no", "")]
)
def test_protected_variables_are_kept_from_refs_of_which_gitlab_says_so(value: str, reason: str) -> None:
    found = context("branch dev", CI_COMMIT_REF_PROTECTED=value, CI_COMMIT_REF_NAME="dev")
    assert found.secrets_kept_because.startswith(reason)
    assert bool(found.secrets_kept_because) is bool(reason)
    assert not found.from_outside


def test_a_broken_timestamp_is_left_aside() -> None:
    assert context("branch dev", CI_COMMIT_TIMESTAMP="yesterday").commit_date == NOW


def test_gitlab_ci_local_keeps_no_secrets(tmp_path: Path) -> None:
    """It calls every ref unprotected: that counts only where its user tells it to pass for GitLab."""
    at_home = {"GITLAB_CI": "false", "CI_JOB_ID": "1000", "CI_COMMIT_REF_PROTECTED": "false"}
    found = context("branch dev", **at_home)
    assert (found.secrets_kept_because, found.dirty) == ("", False)
    assert found.image_given_by == "--variable CI_REGISTRY_IMAGE=HOST/NAME"
    passing = context("branch dev", **at_home | {"GITLAB_CI": "true"})
    assert "is not protected" in passing.secrets_kept_because
    assert not passing.image_given_by


def test_a_working_tree_that_gitlab_ci_local_took_as_it_is_may_be_dirty(
    tmp_path: Path, git: Callable[..., str]
) -> None:
    """GitLab's runner checks out a commit; here files that differ from it are built."""
    git(tmp_path, "init", "-q")
    (tmp_path / "file").touch()
    (tmp_path / ".gitlab-ci-local").mkdir()
    (tmp_path / ".gitlab-ci-local" / ".gitignore").write_text("*\n!.gitignore\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    environ = {**os.environ, "GITLAB_CI": "false", "CI_JOB_ID": "1000"}
    (tmp_path / ".gitlab-ci-local" / ".gitignore").unlink()
    assert not gitlab.context(environ, cwd=str(tmp_path), now=NOW).dirty
    (tmp_path / "file").write_text("changed")
    assert gitlab.context(environ, cwd=str(tmp_path), now=NOW).dirty
    assert not gitlab.context(environ | {"GITLAB_CI": "true"}, cwd=str(tmp_path), now=NOW).dirty
