"""The addresses that provenance names: whose they are, and that a tool which imitates a platform has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.ci.platforms import current_platform
from tests.metadata.events import NOW

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "octo/app",
    "GITHUB_SERVER_URL": "https://git.example",
    "GITHUB_RUN_ID": "7",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_WORKFLOW_REF": "octo/app/.github/workflows/x.yml@refs/heads/main",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://gitlab.example/octo/app",
    "CI_RUNNER_ID": "5",
    "CI_JOB_URL": "https://gitlab.example/octo/app/-/jobs/9",
    "CI_PIPELINE_URL": "https://gitlab.example/octo/app/-/pipelines/8",
}
WORKFLOW = "https://git.example/octo/app/.github/workflows/x.yml@refs/heads/main"


def without(environ: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in names}


@pytest.mark.parametrize(
    ("environ", "builder", "invocation"),
    [
        (GITHUB, WORKFLOW, "https://git.example/octo/app/actions/runs/7/attempts/2"),
        (without(GITHUB, "GITHUB_RUN_ATTEMPT"), WORKFLOW, "https://git.example/octo/app/actions/runs/7"),
        (without(GITHUB, "GITHUB_WORKFLOW_REF", "GITHUB_RUN_ID"), "", ""),
        ({**GITHUB, "ACT": "true"}, "", ""),
        ({**GITHUB, "FORGEJO_ACTIONS": "true"}, WORKFLOW, "https://git.example/octo/app/actions/runs/7"),
        (GITLAB, "https://gitlab.example/octo/app/-/runners/5", "https://gitlab.example/octo/app/-/jobs/9"),
        (without(GITLAB, "CI_RUNNER_ID", "CI_JOB_URL"), "", ""),
        ({**GITLAB, "GITLAB_CI": "false", "CI_JOB_ID": "9"}, "", ""),
        ({}, "", ""),
    ],
)
def test_who_runs_it(environ: dict[str, str], builder: str, invocation: str, tmp_path: Path) -> None:
    found = current_platform(environ).context(environ, cwd=str(tmp_path), now=NOW)
    assert (found.builder, found.invocation) == (builder, invocation)
