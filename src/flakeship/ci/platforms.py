"""Which platforms there are, and on which of them this run is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

from flakeship.ci import forgejo
from flakeship.ci.github import event as github
from flakeship.ci.github.api import Api
from flakeship.ci.gitlab import event as gitlab
from flakeship.ci.local import git as local
from flakeship.metadata.context import Context


class Platform(Protocol):
    """A module that knows one platform."""

    @property
    def NAME(self) -> str: ...  # noqa: N802 - a module's constant

    def matches(self, environ: Mapping[str, str]) -> bool:
        """Whether this run is on the platform."""

    def context(
        self, environ: Mapping[str, str], *, cwd: str, now: datetime, api: Api | None = None
    ) -> Context:
        """Describe the event that started the run. Asks no network but through `api`."""


PLATFORMS: Final[tuple[Platform, ...]] = (forgejo, github, gitlab, local)
"""The first that matches is taken; the last matches always."""


def platform(environ: Mapping[str, str]) -> Platform:
    return next(each for each in PLATFORMS if each.matches(environ))


def detect(environ: Mapping[str, str], *, cwd: str, now: datetime, api: Api | None = None) -> Context:
    """Describe the event that started this run, wherever it is."""
    return platform(environ).context(environ, cwd=cwd, now=now, api=api)
