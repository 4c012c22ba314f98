"""What every CI platform is asked for: one Protocol, which is only read by type checkers and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeAlias

from flakeship import events
from flakeship.ci.handover import Handover
from flakeship.ci.job_credentials import JobCredentials
from flakeship.errors import Error
from flakeship.metadata.context import Context

Api: TypeAlias = Callable[[str], Any]
"""Asks a platform's API for a path ("repos/o/n/commits/SHA") and returns its JSON; raises errors.Error."""

Fetch: TypeAlias = Callable[[str, str], Any]
"""Gets a URL with a bearer token and returns the JSON of the answer. Raises errors.Error for anything else."""


class Platform(Protocol):
    """A module or package that holds all that is known of one platform; `platforms.PLATFORMS` lists them.

    No member reads `os.environ`: the caller hands the environment in. `flakeship.ci.local.defaults` serves a platform that
    lacks something, such as a page for summaries.
    """

    @property
    def NAME(self) -> str:  # noqa: N802 - a module's constant
        """The name in `Context.platform`."""

    def matches(self, environ: Mapping[str, str]) -> bool:
        """Tell whether this run is on the platform."""

    def context(
        self, environ: Mapping[str, str], *, cwd: str, now: datetime, api: Api | None = None
    ) -> Context:
        """Describe the event that started the run. Only `api` may use the network."""

    def open_api(
        self, environ: Mapping[str, str], *, token: str, fetch: Fetch, emit: events.Emit
    ) -> Api | None:
        """Prepare questions to the platform's own API for `context`; None where the platform needs none.

        `token` is the input `github-token`. Raises UsageError where a token is needed and empty.
        """

    def open_log(
        self, out: TextIO, level: str, environ: Mapping[str, str], *, secrets: Sequence[str]
    ) -> AbstractContextManager[events.Emit]:
        """Write events to the job's log, grouped where the platform can fold lines; the end closes an open group.

        A runner that masks `secrets` by itself is told of them before the first event, which has lost them already.
        `level` is a key of `report.plain.LOG_LEVELS`.
        """

    def report_failure(self, error: Error, out: TextIO, *, cwd: Path, environ: Mapping[str, str]) -> None:
        """Write to the log why the run failed, after `open_log` has ended. `cwd` may hold the flake's files."""

    def safe_on_stdout(self, text: str) -> str:
        """Return `text` so that the platform obeys no command in it: anybody may have written its labels."""

    def takes_outputs(self, environ: Mapping[str, str]) -> bool:
        """Tell whether the environment names a place for `hand_over_metadata`."""

    def hand_over(self, shipped: Handover, environ: Mapping[str, str]) -> None:
        """Give the results of `publish` to later steps or jobs. Raises ResourceError where they can't be written."""

    def hand_over_metadata(self, outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
        """Give the results of `metadata` to later steps, named as docker/metadata-action names them.

        Raises ResourceError where they can't be written, UsageError for a malformed variable.
        """

    def summarise(self, markdown: str, environ: Mapping[str, str]) -> None:
        """Append Markdown to the page of the job. Raises ResourceError where it can't be written."""

    def commit_page(self, event: Context) -> str:
        """Return the address of the page that shows the commit; empty where it is not known. Nobody is asked."""

    def package_page(self, name: str, event: Context, *, source: str) -> str:
        """Return the address of the page on which the platform's own registry shows an image; empty where it is not known.

        `name` is `ghcr.io/owner/name`. `source` is the image's label `org.opencontainers.image.source`, empty without one.
        """

    def job_credentials(self, environ: Mapping[str, str], *, token: str) -> Iterable[JobCredentials]:
        """List the credentials that the platform gives to jobs, the best first. `token` is the input `github-token`."""

    def unreachable_hint(self, host: str) -> str:
        """Say what to do where `host` is no registry that anybody could reach, but a name of the platform's; empty elsewhere."""

    def refusal_hint(self, host: str, environ: Mapping[str, str]) -> str:
        """Say how to mend a refused push where `host` (without a port) is the platform's registry; mostly empty elsewhere.

        Where the run is on the platform, this may say how a job there is given credentials for any registry.
        """
