"""GitLab CI/CD, with its container registry: all that is known of them. https://docs.gitlab.com/ci/."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flakeship.ci.deferred import deferred
from flakeship.ci.gitlab.recognition import NAME as NAME
from flakeship.ci.gitlab.recognition import matches as matches
from flakeship.ci.local.defaults import hand_over as hand_over
from flakeship.ci.local.defaults import hand_over_metadata as hand_over_metadata
from flakeship.ci.local.defaults import open_api as open_api
from flakeship.ci.local.defaults import summarise as summarise
from flakeship.ci.local.defaults import takes_outputs as takes_outputs

if TYPE_CHECKING:
    from flakeship.ci.gitlab.event import context as context
    from flakeship.ci.gitlab.log import open_log as open_log
    from flakeship.ci.gitlab.log import report_failure as report_failure
    from flakeship.ci.gitlab.log import safe_on_stdout as safe_on_stdout
    from flakeship.ci.gitlab.pages import commit_page as commit_page
    from flakeship.ci.gitlab.pages import package_page as package_page
    from flakeship.ci.gitlab.registry import job_credentials as job_credentials
    from flakeship.ci.gitlab.registry import refusal_hint as refusal_hint
    from flakeship.ci.gitlab.registry import unreachable_hint as unreachable_hint
else:
    __getattr__ = deferred(
        __name__,
        {
            "flakeship.ci.gitlab.event": ("context",),
            "flakeship.ci.gitlab.log": ("open_log", "report_failure", "safe_on_stdout"),
            "flakeship.ci.gitlab.pages": ("commit_page", "package_page"),
            "flakeship.ci.gitlab.registry": ("job_credentials", "refusal_hint", "unreachable_hint"),
        },
    )
