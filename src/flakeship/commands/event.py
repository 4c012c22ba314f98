"""The event that started the run, looked at as the inputs ask: with git's own view of it, or with what GitHub's API adds."""

from __future__ import annotations

import json
from typing import Any, Final

from flakeship import events
from flakeship.ci.github.api import Api
from flakeship.ci.local import git as local
from flakeship.ci.platforms import detect, platform
from flakeship.commands.runtime import Runtime
from flakeship.errors import Error, UnreachableError, UsageError
from flakeship.metadata.context import Context
from flakeship.settings.declaration import Settings

_GITHUB: Final = ("github", "forgejo")
_SECONDS: Final = 5.0


def context_of(settings: Settings, runtime: Runtime) -> Context:
    """Detect it, and tell the user what they should know of how. UsageError where the API is wanted without a token."""
    environ, cwd = runtime.environ, str(runtime.cwd)
    api = _api(settings, runtime) if settings.github_api and platform(environ).NAME in _GITHUB else None
    found = detect(environ, cwd=cwd, now=runtime.now, api=api)
    if settings.context == "git" and found.platform != local.NAME:
        found = local.from_git(found, environ, cwd=cwd)
    for notice in found.notices:
        runtime.emit(events.Notice(notice))
    return found


def _api(settings: Settings, runtime: Runtime) -> Api:
    """Asks for a path of the API, each time for at most 5 seconds; a refusal is a notice too."""
    if not settings.github_token:
        raise UsageError(
            "github-api is on, and there is no token to ask with",
            hint="give `github-token: ${{ github.token }}`; reading a public project needs no permission of it",
        )
    base = runtime.environ.get("GITHUB_API_URL") or "https://api.github.com"

    def ask(path: str) -> Any:
        try:
            return _answer(f"{base.rstrip('/')}/{path}", settings, runtime)
        except Error as error:
            runtime.emit(events.Notice(f"GitHub's API does not tell of {path}: {error.message}"))
            raise

    return ask


def _answer(url: str, settings: Settings, runtime: Runtime) -> Any:
    from flakeship.commands.publish.opening import transport
    from flakeship.http.fetch import Fetcher
    from flakeship.http.origin import Origin

    with transport(settings, runtime) as session:
        origin = Origin.of(url)
        if origin.scheme not in session.schemes(url.split("/")[2]):
            raise UnreachableError(f"{origin} would be sent the token without TLS")
        try:
            return json.loads(Fetcher(session)(url, _SECONDS, token=settings.github_token))
        except ValueError as error:
            reason = "it answers no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
            raise UnreachableError(f"{origin}: {reason}") from error
