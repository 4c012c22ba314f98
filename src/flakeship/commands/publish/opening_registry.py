"""A repository → a destination that is pushed to with the right credentials, or only looked at where it may not be."""

from __future__ import annotations

from flakeship import events
from flakeship.commands.runtime import Runtime
from flakeship.destinations.grammar import Repository
from flakeship.destinations.protocol import Destination
from flakeship.destinations.registry.destination import RegistryDestination, Reuse
from flakeship.destinations.withheld import NothingDestination
from flakeship.errors import NotAllowedError
from flakeship.http.transport import Transport
from flakeship.metadata.context import Context
from flakeship.registry.client import RegistryClient
from flakeship.registry.credentials import ExplicitCredentials, FoundCredentials, find_credentials
from flakeship.registry.reference import TAG_PATTERN, Reference, check_tag
from flakeship.registry.tokens import basic_authorization
from flakeship.settings.declaration import Settings


def registry_destination(
    target: Repository, session: Transport, settings: Settings, runtime: Runtime, context: Context
) -> Destination:
    client, reuse, found = _client(target, session, settings, runtime, context)
    tags = tuple(f"{target.name}:{tag}" for tag in target.tags)
    destination = RegistryDestination(
        client,
        tags=target.tags,
        mount_from=client.pull_from,
        reuse=reuse,
        source=found.source if found.credentials else "",
        emit=runtime.emit,
    )
    if settings.dry_run:
        return NothingDestination(
            target.name,
            tags,
            exists=lambda digest: client.head_blob(digest) is not None,
            existing=destination.existing,
            open_blob=destination.open_blob,
            emit=runtime.emit,
        )
    if settings.push == "false":
        return NothingDestination(target.name, tags, emit=runtime.emit)
    if not context.trusted and not settings.allow_untrusted:
        _refuse_untrusted(settings, runtime, context)
        return NothingDestination(target.name, tags, emit=runtime.emit)
    try:
        destination.check()
    except NotAllowedError as error:
        if not (settings.push == "auto" and found.credentials is None):
            raise
        lacks = "`username` has no password" if settings.username else "there are no credentials"
        runtime.emit(
            events.Notice(f"not pushed to {target.name}: {error.message}, and {lacks}", prominent=True)
        )
        return NothingDestination(target.name, tags, emit=runtime.emit)
    return destination


def _refuse_untrusted(settings: Settings, runtime: Runtime, context: Context) -> None:
    """One notice, or with `push: true` NotAllowedError."""
    if settings.push == "true":
        raise NotAllowedError(
            f"nothing may be pushed: {context.untrusted_because}",
            hint="`push: auto` builds and checks it; `allow-untrusted: true` says that you trust whose code it is",
        )
    runtime.emit(events.Notice(f"nothing is pushed: {context.untrusted_because}", prominent=True))


def _client(
    target: Repository, session: Transport, settings: Settings, runtime: Runtime, context: Context
) -> tuple[RegistryClient, Reuse | None, FoundCredentials]:
    found = credentials_for(Reference(target.registry, target.repository), settings, runtime)
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
        tags += [tag for tag in (branch, "latest", "main", "edge") if TAG_PATTERN.fullmatch(tag)]
    return tuple(dict.fromkeys(tag for tag in tags if tag not in target.tags)), others


def credentials_for(reference: Reference, settings: Settings, runtime: Runtime) -> FoundCredentials:
    found = _found(reference, settings, runtime)
    runtime.emit(events.Detail(f"credentials for {reference.name}: {found.source}"))
    if found.credentials:
        runtime.emit(events.Secret(found.credentials.secret))
        runtime.emit(events.Secret(basic_authorization(found.credentials).removeprefix("Basic ")))
    return found


def _found(reference: Reference, settings: Settings, runtime: Runtime) -> FoundCredentials:
    explicit = ExplicitCredentials(settings.username, settings.password, settings.registry)
    if explicit.username and not explicit.password and explicit.is_for(reference):
        return FoundCredentials(
            None, "username without a password"
        )  # no other's credentials, where one is named
    return find_credentials(
        reference,
        explicit=explicit if explicit.username else None,
        authfile=str(runtime.cwd / settings.authfile) if settings.authfile else None,
        environ=runtime.environ,
        home=str(runtime.home),
        github_token=settings.github_token,
    )
