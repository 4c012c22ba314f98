"""How a run on GitLab CI/CD is recognised. Imported on every platform, so it imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NAME: Final = "gitlab"


def matches(environ: Mapping[str, str]) -> bool:
    """Tell whether GitLab's runner, or gitlab-ci-local, runs this."""
    return environ.get("GITLAB_CI") == "true"
