"""What a platform does with a run while it happens and when it ends: its log, its secrets, its errors, its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TextIO

from flakeship import events
from flakeship.ci.platforms import platform
from flakeship.errors import Error


class Reporting(Protocol):
    """A module that knows how one platform is reported to. Nothing here knows what is shipped."""

    def log(
        self, out: TextIO, level: str, environ: Mapping[str, str], *, secrets: Sequence[str]
    ) -> AbstractContextManager[events.Emit]:
        """Take events to the log, in groups where the platform has them; one that is open is closed at the end.

        The secrets are made unreadable in the log before the first event.
        """

    def failed(self, error: Error, out: TextIO, *, cwd: Path) -> None:
        """Say in the log why the run failed, after `log` is left. `cwd` is where files of the flake may be."""

    def printed(self, text: str) -> str:
        """The text for stdout, of which the platform is to obey nothing: labels are written by anybody."""

    def hand_over(self, outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
        """Give the outputs to later steps or jobs. ResourceError where they can't be written."""

    def summarise(self, markdown: str, environ: Mapping[str, str]) -> None:
        """Put Markdown on the page of the job. ResourceError where it can't be written."""


def reporting(environ: Mapping[str, str]) -> Reporting:
    """That of the platform this run is on; one without a line here is treated like a laptop. A run needs but one."""
    match platform(environ).NAME:
        case "github" | "forgejo":
            from flakeship.ci.github import log as github_commands

            return github_commands
        case "gitlab":
            from flakeship.ci.gitlab import log as gitlab_reporting

            return gitlab_reporting
        case _:
            from flakeship.ci.local import log as local_reporting

            return local_reporting
