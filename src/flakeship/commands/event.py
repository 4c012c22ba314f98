"""The event that started the run, looked at as the inputs ask: with git's own view of it, or with what GitHub's API adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from flakeship import events
from flakeship.ci import local
from flakeship.ci.platforms import current_platform
from flakeship.commands.runtime import Runtime
from flakeship.errors import UnreachableError
from flakeship.metadata.context import Context, in_whole_text
from flakeship.outside.reading import json_of
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.http.transport import Transport

_SECONDS: Final = 5.0


def context_of(settings: Settings, runtime: Runtime, *, session: Callable[[], Transport]) -> Context:
    """Describe the event, and emit what the user should know of how that went.

    Raises UsageError where the API is wanted without a token.
    """
    environ, cwd = runtime.environ, str(runtime.cwd)
    platform = current_platform(environ)
    api = (
        platform.open_api(
            environ,
            token=settings.github_token,
            fetch=lambda url, token: _document(url, token, session()),
            emit=runtime.emit,
        )
        if settings.github_api
        else None
    )
    found = platform.context(environ, cwd=cwd, now=runtime.now, api=api)
    if settings.context == "git" and found.platform != local.NAME:
        from flakeship.ci.local.git import from_git

        found = from_git(found, environ, cwd=cwd)
    found = in_whole_text(found)
    for notice in found.notices:
        runtime.emit(events.Notice(notice))
    return found


def _document(url: str, token: str, session: Transport) -> Any:
    """Get the JSON at `url` within 5 seconds. Raises errors.Error for anything else."""
    from flakeship.http.fetch import Fetcher
    from flakeship.http.origin import Origin

    origin = Origin.of(url)
    if origin.scheme not in session.schemes(origin.authority):
        raise UnreachableError(f"{origin} would get the token without TLS")
    try:
        return json_of(Fetcher(session)(url, _SECONDS, token=token))
    except ValueError as error:
        raise UnreachableError(f"{origin}: {error}") from error
