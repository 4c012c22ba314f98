"""Opens the targets of a run: the settings of the run become `DestinationOptions`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from flakeship import events
from flakeship.ci.platforms import refusal_hint
from flakeship.commands.job_credentials import offered_credentials
from flakeship.commands.runtime import Runtime
from flakeship.destinations.kind import Target
from flakeship.destinations.options import DestinationOptions, PushPolicy, RegistryOptions
from flakeship.destinations.protocol import Destination
from flakeship.destinations.registry import Repository
from flakeship.errors import UsageError
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.metadata.context import Context
from flakeship.registry.credential_search import ExplicitCredentials, FoundCredentials, find_credentials
from flakeship.registry.credentials import basic_authorization
from flakeship.registry.reference import Reference
from flakeship.settings.declaration import Settings


def destinations(
    targets: Sequence[Target],
    scope: ExitStack,
    *,
    session: Transport,
    settings: Settings,
    runtime: Runtime,
    context: Context,
) -> tuple[Destination, ...]:
    """Open every target, and check before anything is built that it can be written to.

    `scope` closes them. UsageError if it is unclear to which registry a password belongs.
    """
    _check_explicit(targets, settings, context)
    options = _options(session, settings, runtime, context)
    return tuple(scope.enter_context(target.open(options)) for target in targets)


def nameless(targets: Sequence[Target], places: Sequence[Destination]) -> tuple[str, ...]:
    """Return the names of the destinations where an image keeps its own name."""
    return tuple(place.name for target, place in zip(targets, places, strict=True) if target.keeps_own_name)


def _options(
    session: Transport, settings: Settings, runtime: Runtime, context: Context
) -> DestinationOptions:
    trusted = context.trusted or settings.allow_untrusted
    registry = RegistryOptions(
        session=session,
        credentials=functools.partial(credentials_for, settings=settings, runtime=runtime),
        push=cast("PushPolicy", settings.push),
        untrusted="" if trusted else context.untrusted_because,
        without_credentials="`username` has no password" if settings.username else "there are no credentials",
        reuse=settings.reuse != "off",
        reuse_from=settings.reuse_from,
        pulled_from=tuple(
            text for text in (settings.source, settings.base_image) if text.startswith("docker://")
        ),
        default_branch=context.repository.default_branch,
        platform_hint=refusal_hint,
    )
    return DestinationOptions(
        emit=runtime.emit,
        registry=registry,
        verify=settings.verify != "off",
        dry_run=settings.dry_run,
        zstd=settings.compression == "zstd",
        environ=runtime.environ,
        home=runtime.home,
        temporary=runtime.temporary,
        stdout=runtime.stdout,
    )


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
        # with those of somebody else the image would be pushed under another name than the inputs state
        return FoundCredentials(None, "username without a password")
    return find_credentials(
        reference,
        explicit=explicit if explicit.username else None,
        authfile=str(runtime.cwd / settings.authfile) if settings.authfile else None,
        environ=runtime.environ,
        home=str(runtime.home),
        offered=offered_credentials(runtime.environ, github_token=settings.github_token),
    )


def _check_explicit(targets: Sequence[Target], settings: Settings, context: Context) -> None:
    """UsageError if it is unclear which registry the inputs username and password are for.

    An empty password is accepted in CI, which keeps secrets from runs of forks and of unprotected branches.
    """
    registries = {target.registry for target in targets if isinstance(target, Repository)}
    withheld = context.platform != "local" and settings.push != "true" and not settings.password
    if bool(settings.username) != bool(settings.password) and not withheld:
        missing = "password" if settings.username else "username"
        raise UsageError(
            f"{missing} is missing: username and password go together",
            hint="set FLAKESHIP_PASSWORD or give --password-stdin"
            if missing == "password"
            else "set `username`",
        )
    if settings.username and not settings.registry and len(registries) > 1:
        raise UsageError(
            f"username and password are given, but not for which of {', '.join(sorted(registries))}",
            hint="set `registry`, and use `docker login` or an authfile for the others",
        )
