"""GitHub's REST API, which knows of a repository what an event's payload may lack. Forgejo and Gitea have the same paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flakeship import events
from flakeship.ci.protocol import Api, Fetch
from flakeship.errors import Error, UsageError


def open_api(environ: Mapping[str, str], *, token: str, fetch: Fetch, emit: events.Emit) -> Api:
    """Return what asks the API of GITHUB_API_URL; each refusal becomes a notice besides.

    Raises UsageError without a token: https://docs.github.com/rest/authentication/authenticating-to-the-rest-api
    """
    if not token:
        raise UsageError(
            "`github-api` is on, but there is no token for GitHub's API",
            hint="set `github-token: ${{ github.token }}`; for a public project it needs no permission",
        )
    base = environ.get("GITHUB_API_URL") or "https://api.github.com"

    def ask(path: str) -> Any:
        try:
            return fetch(f"{base.rstrip('/')}/{path}", token)
        except Error as error:
            emit(events.Notice(f"GitHub's API gave no answer about {path}: {error.message}"))
            raise

    return ask
