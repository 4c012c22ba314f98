"""A laptop, or a platform that we do not know: there is a log and a working tree of Git, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flakeship.ci.deferred import deferred
from flakeship.ci.local.defaults import NAME as NAME
from flakeship.ci.local.defaults import commit_page as commit_page
from flakeship.ci.local.defaults import hand_over as hand_over
from flakeship.ci.local.defaults import hand_over_metadata as hand_over_metadata
from flakeship.ci.local.defaults import job_credentials as job_credentials
from flakeship.ci.local.defaults import matches as matches
from flakeship.ci.local.defaults import open_api as open_api
from flakeship.ci.local.defaults import package_page as package_page
from flakeship.ci.local.defaults import refusal_hint as refusal_hint
from flakeship.ci.local.defaults import safe_on_stdout as safe_on_stdout
from flakeship.ci.local.defaults import summarise as summarise
from flakeship.ci.local.defaults import takes_outputs as takes_outputs
from flakeship.ci.local.defaults import unreachable_hint as unreachable_hint

if TYPE_CHECKING:
    from flakeship.ci.local.git import context as context
    from flakeship.ci.local.log import open_log as open_log
    from flakeship.ci.local.log import report_failure as report_failure
else:
    __getattr__ = deferred(
        __name__,
        {
            "flakeship.ci.local.git": ("context",),
            "flakeship.ci.local.log": ("open_log", "report_failure"),
        },
    )
