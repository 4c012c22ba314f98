"""Forgejo Actions and Gitea Actions: runners that read GitHub's commands and files, and name some variables differently.

https://forgejo.org/docs/latest/user/actions/reference/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flakeship.ci.deferred import deferred
from flakeship.ci.forgejo.recognition import NAME as NAME
from flakeship.ci.forgejo.recognition import matches as matches
from flakeship.ci.github.recognition import takes_outputs as takes_outputs
from flakeship.ci.local.defaults import job_credentials as job_credentials
from flakeship.ci.local.defaults import package_page as package_page
from flakeship.ci.local.defaults import refusal_hint as refusal_hint
from flakeship.ci.local.defaults import unreachable_hint as unreachable_hint

if TYPE_CHECKING:
    from flakeship.ci.forgejo.event import context as context
    from flakeship.ci.github.api import open_api as open_api
    from flakeship.ci.github.log import open_log as open_log
    from flakeship.ci.github.log import report_failure as report_failure
    from flakeship.ci.github.log import safe_on_stdout as safe_on_stdout
    from flakeship.ci.github.outputs import hand_over as hand_over
    from flakeship.ci.github.outputs import hand_over_metadata as hand_over_metadata
    from flakeship.ci.github.outputs import summarise as summarise
    from flakeship.ci.github.pages import commit_page as commit_page
else:
    __getattr__ = deferred(
        __name__,
        {
            "flakeship.ci.forgejo.event": ("context",),
            "flakeship.ci.github.api": ("open_api",),
            "flakeship.ci.github.log": ("open_log", "report_failure", "safe_on_stdout"),
            "flakeship.ci.github.outputs": ("hand_over", "hand_over_metadata", "summarise"),
            "flakeship.ci.github.pages": ("commit_page",),
        },
    )
