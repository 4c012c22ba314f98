"""Brings what CI platforms give to a job, which `ci` knows, to where `registry` looks for credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flakeship.ci.platforms import job_credentials
from flakeship.registry.credential_search import OfferedCredentials
from flakeship.registry.credentials import Credentials


def offered_credentials(environ: Mapping[str, str], *, github_token: str) -> Iterator[OfferedCredentials]:
    """List the credentials of every platform, in the order of `PLATFORMS`; nothing is imported before the first is read."""
    for given in job_credentials(environ, token=github_token):
        yield OfferedCredentials(given.registry, Credentials(given.username, given.password), given.source)
