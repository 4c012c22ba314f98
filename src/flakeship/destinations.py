"""Targets → destinations that can be written to, with the credentials of each; or that are only looked at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from flakeship import events
from flakeship.errors import NotAllowedError, UsageError
from flakeship.http.retry import RetryPolicy
from flakeship.http.session import Transport, open_session
from flakeship.metadata.context import Context
from flakeship.registry.client import RegistryClient
from flakeship.registry.credentials import Explicit, Found, find
from flakeship.registry.reference import TAG, Reference, check_tag
from flakeship.registry.tokens import basic
from flakeship.settings import Settings
from flakeship.sinks.delivery import Destination
from flakeship.sinks.nothing import NothingDestination
from flakeship.sinks.oci_layout import LayoutDestination
from flakeship.sinks.registry import RegistryDestination, Reuse
from flakeship.targets import Archive, Layout, Repository, Storage, Target, takes_own_name
from flakeship.world import World


def destinations(
    targets: Sequence[Target],
    scope: ExitStack,
    *,
    session: Transport,
    settings: Settings,
    world: World,
    context: Context,
) -> tuple[Destination, ...]:
    """Every target, checked for whether it may be written to before anything is built.

    `scope` ends what some of them hold open.
    """
    _check_explicit(targets, settings, context)
    return tuple(
        scope.enter_context(_local(target, settings, world))
        if isinstance(target, Archive | Storage)
        else _destination(target, session, settings, world, context)
        for target in targets
    )


def _local(
    target: Archive | Storage, settings: Settings, world: World
) -> AbstractContextManager[Destination]:
    from flakeship.local_destinations import local_destination  # most pushes need none of it

    return local_destination(target, settings, world)


def nameless(targets: Sequence[Target], places: Sequence[Destination]) -> tuple[str, ...]:
    """The destinations where an image is called what it calls itself."""
    return tuple(place.name for target, place in zip(targets, places, strict=True) if takes_own_name(target))


def credentials_for(reference: Reference, settings: Settings, world: World) -> Found:
    found = _found(reference, settings, world)
    world.emit(events.Detail(f"credentials for {reference.name}: {found.source}"))
    if found.credentials:
        world.emit(events.Secret(found.credentials.secret))
        world.emit(events.Secret(basic(found.credentials).removeprefix("Basic ")))
    return found


def _found(reference: Reference, settings: Settings, world: World) -> Found:
    explicit = Explicit(settings.username, settings.password, settings.registry)
    if explicit.username and not explicit.password and explicit.is_for(reference):
        return Found(None, "username without a password")  # no other's credentials, where one is named
    return find(
        reference,
        explicit=explicit if explicit.username else None,
        authfile=str(world.cwd / settings.authfile) if settings.authfile else None,
        environ=world.environ,
        home=str(world.home),
        github_token=settings.github_token,
    )


def transport(settings: Settings, world: World) -> Transport:
    policy = RetryPolicy(clock=world.clock, sleep=world.sleep, random=world.random)
    if settings.ca and not Path(world.cwd, settings.ca).is_file():
        raise UsageError(f"ca: there is no file {settings.ca}", hint="name a file of PEM certificates")
    for host in settings.plain_http:
        if "/" in host or Reference.parse(f"{host}/x").registry != host:
            raise UsageError(
                f"plain-http: {host!r} is not a host as references name it",
                hint="write HOST or HOST:PORT, in lower case and without http://",
            )
    return open_session(
        ca=str(world.cwd / settings.ca) if settings.ca else None,
        plain_http=settings.plain_http,
        environ=world.environ,
        emit=world.emit,
        policy=policy,
    )


def _destination(
    target: Repository | Layout, session: Transport, settings: Settings, world: World, context: Context
) -> Destination:
    match target:
        case Layout(directory, tag):
            if settings.dry_run:
                return NothingDestination(f"oci:{directory}", emit=world.emit)
            destination = LayoutDestination(directory, tag, verify=settings.verify != "off", emit=world.emit)
            destination.check()
            return destination
        case Repository():
            return _repository(target, session, settings, world, context)


def _repository(
    target: Repository, session: Transport, settings: Settings, world: World, context: Context
) -> Destination:
    client, reuse, found = _client(target, session, settings, world, context)
    tags = tuple(f"{target.name}:{tag}" for tag in target.tags)
    destination = RegistryDestination(
        client,
        tags=target.tags,
        mount_from=client.pull_from,
        reuse=reuse,
        source=found.source if found.credentials else "",
        emit=world.emit,
    )
    if settings.dry_run:
        return NothingDestination(
            target.name,
            tags,
            exists=lambda digest: client.head_blob(digest) is not None,
            published=destination.published,
            open_blob=destination.open_blob,
            emit=world.emit,
        )
    if settings.push == "false":
        return NothingDestination(target.name, tags, emit=world.emit)
    if not context.trusted and not settings.allow_untrusted:
        _refuse_untrusted(settings, world, context)
        return NothingDestination(target.name, tags, emit=world.emit)
    try:
        destination.check()
    except NotAllowedError as error:
        if not (settings.push == "auto" and found.credentials is None):
            raise
        lacks = "`username` has no password" if settings.username else "there are no credentials"
        world.emit(
            events.Notice(f"not pushed to {target.name}: {error.message}, and {lacks}", prominent=True)
        )
        return NothingDestination(target.name, tags, emit=world.emit)
    return destination


def _refuse_untrusted(settings: Settings, world: World, context: Context) -> None:
    """One notice, or with `push: true` NotAllowedError."""
    if settings.push == "true":
        raise NotAllowedError(
            f"nothing may be pushed: {context.untrusted_because}",
            hint="`push: auto` builds and checks it; `allow-untrusted: true` says that you trust whose code it is",
        )
    world.emit(events.Notice(f"nothing is pushed: {context.untrusted_because}", prominent=True))


def _client(
    target: Repository, session: Transport, settings: Settings, world: World, context: Context
) -> tuple[RegistryClient, Reuse | None, Found]:
    found = credentials_for(Reference(target.registry, target.repository), settings, world)
    tags, others = _reuse_from(target, settings, context)
    client = RegistryClient(
        session, target.registry, target.repository, found.credentials, pull_from=tuple(others)
    )
    sources = tuple(
        (RegistryClient(session, target.registry, name, found.credentials, actions="pull"), wanted)
        for name, wanted in others.items()
    )
    reuse = Reuse(tags, sources, always=bool(settings.reuse_from))
    return client, None if settings.reuse == "off" else reuse, found


def _reuse_from(
    target: Repository, settings: Settings, context: Context
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Tags of the repository, and tags of others of its registry, to look for layers at."""
    tags: list[str] = []
    others: dict[str, tuple[str, ...]] = {}
    sources = [text for text in (settings.source, settings.base_image) if text.startswith("docker://")]
    for text in (*settings.reuse_from, *sources):
        if "/" not in text:
            tags.append(check_tag(text.lstrip(":")))
            continue
        reference = Reference.parse(text.removeprefix("docker://"))
        if reference.registry != target.registry:
            continue
        wanted = reference.tag or reference.digest or "latest"
        if reference.repository == target.repository:
            tags.append(wanted)
        else:
            others[reference.repository] = (*others.get(reference.repository, ()), wanted)
    if not settings.reuse_from:
        branch = context.repository.default_branch
        tags += [tag for tag in (branch, "latest", "main", "edge") if TAG.fullmatch(tag)]
    return tuple(dict.fromkeys(tag for tag in tags if tag not in target.tags)), others


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
