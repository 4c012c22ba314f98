"""Targets → destinations that can be written to, with the credentials of each; or that are only looked at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from flakeship.commands.runtime import Runtime
from flakeship.destinations.grammar import Archive, Layout, Repository, Storage, Target, takes_own_name
from flakeship.destinations.protocol import Destination
from flakeship.errors import UsageError
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.metadata.context import Context
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
    """Every target, checked for whether it may be written to before anything is built.

    `scope` ends what some of them hold open.
    """
    _check_explicit(targets, settings, context)
    return tuple(
        scope.enter_context(_local(target, settings, runtime))
        if isinstance(target, Archive | Storage)
        else _destination(target, session, settings, runtime, context)
        for target in targets
    )


def _local(
    target: Archive | Storage, settings: Settings, runtime: Runtime
) -> AbstractContextManager[Destination]:
    from flakeship.commands.publish.opening_local import local_destination  # most pushes need none of it

    return local_destination(target, settings, runtime)


def nameless(targets: Sequence[Target], places: Sequence[Destination]) -> tuple[str, ...]:
    """The destinations where an image is called what it calls itself."""
    return tuple(place.name for target, place in zip(targets, places, strict=True) if takes_own_name(target))


def transport(settings: Settings, runtime: Runtime) -> Transport:
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


def _destination(
    target: Repository | Layout, session: Transport, settings: Settings, runtime: Runtime, context: Context
) -> Destination:
    match target:
        case Layout(directory, tag):
            if settings.dry_run:
                from flakeship.destinations.withheld import NothingDestination

                return NothingDestination(f"oci:{directory}", emit=runtime.emit)
            from flakeship.destinations.oci_layout import LayoutDestination

            destination = LayoutDestination(
                directory, tag, verify=settings.verify != "off", emit=runtime.emit
            )
            destination.check()
            return destination
        case Repository():
            from flakeship.commands.publish.opening_registry import registry_destination

            return registry_destination(target, session, settings, runtime, context)


def _check_explicit(targets: Sequence[Target], settings: Settings, context: Context) -> None:
    """A password goes to the registry that it was meant for, and to none where that is unclear.

    CI hands over an empty one where secrets are kept from a run: to forks, to branches that are not protected.
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
