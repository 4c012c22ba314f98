"""ghcr.io, GitHub's container registry: the token that a job has for it, and what it lacks when a push is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from flakeship.ci.job_credentials import JobCredentials

_HOST: Final = "ghcr.io"


def job_credentials(environ: Mapping[str, str], *, token: str) -> Iterator[JobCredentials]:
    """Give the job's token for ghcr.io: the input `github-token`, else GITHUB_TOKEN.

    https://docs.github.com/actions/security-guides/automatic-token-authentication
    """
    if password := token or environ.get("GITHUB_TOKEN", ""):
        username = environ.get("GITHUB_ACTOR") or "github-actions"
        yield JobCredentials(_HOST, username, password, "the job's GITHUB_TOKEN")


def refusal_hint(host: str, environ: Mapping[str, str]) -> str:
    """Name the two rights that a push to ghcr.io needs; empty for another host."""
    if host != _HOST:
        return ""
    return (
        "give the job `permissions: packages: write`, and link the package to this repository or grant the repository "
        "write access to it (package settings, Manage Actions access)"
    )
