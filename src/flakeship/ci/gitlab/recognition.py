"""How a run on GitLab CI/CD is recognised. Imported on every platform, so it imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NAME: Final = "gitlab"
LOCAL_FOLDER: Final = ".gitlab-ci-local"
"""Where gitlab-ci-local keeps its files. A job does not see it, and git tracks the .gitignore there after `git add .`."""


def matches(environ: Mapping[str, str]) -> bool:
    """Tell whether GitLab's runner, or gitlab-ci-local, runs this."""
    return environ.get("GITLAB_CI") == "true" or by_gitlab_ci_local(environ)


def by_gitlab_ci_local(environ: Mapping[str, str]) -> bool:
    """Tell whether gitlab-ci-local runs this, by a user who did not tell it to pass for GitLab.

    It sets GITLAB_CI to false, and the other variables of a job: https://github.com/firecow/gitlab-ci-local#local-only.
    """
    return environ.get("GITLAB_CI") == "false" and bool(environ.get("CI_JOB_ID"))
