"""Which platforms there are, which of them runs this, and what all of them together know."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:  # every start imports this module, and none of these
    from pathlib import Path
    from types import ModuleType

    from flakeship.ci.handover import Handover
    from flakeship.ci.job_credentials import JobCredentials
    from flakeship.ci.protocol import Platform

# docs/decisions.md#kinds-are-tuples-of-module-names
PLATFORMS: Final[tuple[str, ...]] = (
    "flakeship.ci.forgejo",
    "flakeship.ci.github",
    "flakeship.ci.gitlab",
    "flakeship.ci.local",
)
"""Modules that satisfy `Platform`. The first that matches is taken: Forgejo says that it is GitHub too, and a laptop
matches always."""


def current_platform(environ: Mapping[str, str]) -> Platform:
    """Return the platform that this run is on; one that we do not know is treated like a laptop."""
    return next(each for each in _platforms() if each.matches(environ))


def output_platform(environ: Mapping[str, str]) -> Platform | None:
    """Return the platform whose place for outputs is named in the environment, even where the run is not on it.

    GITHUB_OUTPUT alone is enough to have `metadata` write there: a step can be tried out beside a runner.
    """
    return next((each for each in _platforms() if each.takes_outputs(environ)), None)


def hand_over(shipped: Handover, environ: Mapping[str, str]) -> None:
    """Give the results of `publish` to later steps or jobs, and to the folder that SHIPPED_FOLDER names.

    Raises ResourceError where they can't be written.
    """
    current_platform(environ).hand_over(shipped, environ)
    if folder := _shipped_folder(environ):
        folder.hand_over(shipped, environ)


def withdraw_outputs(environ: Mapping[str, str]) -> None:
    """Remove what an earlier run left in that folder, where it would be taken for what this one hands over."""
    if folder := _shipped_folder(environ):
        folder.withdraw(environ)


def hand_over_failure(environ: Mapping[str, str]) -> None:
    """Say in that folder that nothing was pushed: a file of an earlier run may lie where the folder is copied to."""
    if folder := _shipped_folder(environ):
        folder.hand_over_failure(environ)


def summarise(markdown: str, environ: Mapping[str, str]) -> None:
    """Append Markdown to the page of the job, and to the summary in that folder. Raises ResourceError as `hand_over`."""
    if folder := _shipped_folder(environ):
        folder.summarise(markdown, environ)
    current_platform(environ).summarise(markdown, environ)


def check_names(names: Sequence[str], environ: Mapping[str, str]) -> None:
    """UsageError where two images of a run can't be told apart by the variables in that folder."""
    if folder := _shipped_folder(environ):
        folder.check_names(names)


def shipped_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folder that SHIPPED_FOLDER names, where it names one."""
    folder = _shipped_folder(environ)
    return (folder.folder_of(environ),) if folder else ()


def _shipped_folder(environ: Mapping[str, str]) -> ModuleType | None:
    """Return the module that writes to the folder, which most runs do not need; None if no folder is named."""
    # docs/decisions.md#files-for-gitlab-need-a-named-folder
    if not environ.get("SHIPPED_FOLDER"):
        return None
    from flakeship.ci import shipped_folder

    return shipped_folder


def is_ci(environ: Mapping[str, str]) -> bool:
    """Tell whether a machine runs this for a project. Platforms that we do not know set CI, as most do."""
    known = current_platform(environ).NAME != "local"
    return known or environ.get("CI", "").lower() not in {"", "0", "false"}


def job_credentials(environ: Mapping[str, str], *, token: str) -> Iterator[JobCredentials]:
    """List what any platform would give to a job: GITHUB_TOKEN serves on a laptop and in other CI too."""
    for each in _platforms():
        # docs/decisions.md#every-platform-offers-credentials-and-hints
        yield from each.job_credentials(environ, token=token)


def unreachable_hint(host: str) -> str:
    """Say what to do where a platform made up the name of a registry; empty for any other host."""
    return next(filter(None, (each.unreachable_hint(host) for each in _platforms())), "")


def refusal_hint(host: str, environ: Mapping[str, str]) -> str:
    """Say how to mend a push that was refused by a platform's own registry, or by any where this platform is asked first.

    Empty for a registry of which no platform knows anything.
    """
    asked = (current_platform(environ), *_platforms())
    return next(filter(None, (each.refusal_hint(host, environ) for each in asked)), "")


def _platforms() -> Iterator[Platform]:
    for name in PLATFORMS:
        yield cast("Platform", importlib.import_module(name))
