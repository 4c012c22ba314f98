"""The HTTP session of a run, and the credentials that its inputs, files and CI give for each repository."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from flakeship import events
from flakeship.ci.platforms import job_credentials
from flakeship.commands.runtime import Runtime
from flakeship.errors import UsageError
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.registry.credential_search import (
    ExplicitCredentials,
    FoundCredentials,
    OfferedCredentials,
    find_credentials,
)
from flakeship.registry.credentials import Credentials, basic_authorization
from flakeship.registry.reference import Reference
from flakeship.settings.declaration import Settings


def transport(settings: Settings, runtime: Runtime) -> Transport:
    """Open an HTTP session as the inputs `ca` and `plain-http` ask. UsageError if one of them is malformed."""
    if settings.ca and not Path(runtime.cwd, settings.ca).is_file():
        raise UsageError(f"ca: there is no file {settings.ca}", hint="name a file of PEM certificates")
    for host in settings.plain_http:
        if "/" in host or Reference.parse(f"{host}/x").registry != host:
            raise UsageError(
                f"plain-http: {host!r} is not a host as references name it",
                hint="write HOST or HOST:PORT, in lower case and without http://",
            )
    return Transport(
        ca=str(runtime.cwd / settings.ca) if settings.ca else None,
        plain_http=settings.plain_http,
        environ=runtime.environ,
        emit=runtime.emit,
        clock=Clock(now=runtime.clock, sleep=runtime.sleep, random=runtime.random),
    )


def credentials_for(reference: Reference, settings: Settings, runtime: Runtime) -> FoundCredentials:
    """Choose the credentials for a repository, and announce their secrets so that logs can mask them."""
    found = _found(reference, settings, runtime)
    runtime.emit(events.Detail(f"credentials for {reference.name}: {found.source}"))
    if found.credentials:
        runtime.emit(events.Secret(found.credentials.secret))
        runtime.emit(events.Secret(basic_authorization(found.credentials).removeprefix("Basic ")))
    return found


def _found(reference: Reference, settings: Settings, runtime: Runtime) -> FoundCredentials:
    explicit = ExplicitCredentials(settings.username, settings.password, settings.registry)
    if explicit.username and not explicit.password and explicit.is_for(reference):
        # never those of another user than the one that the inputs name
        return FoundCredentials(None, "username without a password")
    return find_credentials(
        reference,
        explicit=explicit if explicit.username else None,
        authfile=str(runtime.cwd / settings.authfile) if settings.authfile else None,
        environ=runtime.environ,
        home=str(runtime.home),
        offered=offered_credentials(runtime.environ, github_token=settings.github_token),
    )


def offered_credentials(environ: Mapping[str, str], *, github_token: str) -> Iterator[OfferedCredentials]:
    """List what CI platforms give to a job, in the order of `PLATFORMS`; nothing is imported before the first is read."""
    for given in job_credentials(environ, token=github_token):
        yield OfferedCredentials(given.registry, Credentials(given.username, given.password), given.source)
