"""Opens a repository with the right credentials: to push to it, or only to look where the image is withheld."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flakeship import events
from flakeship.destinations.options import DestinationOptions, RegistryOptions
from flakeship.destinations.protocol import Destination
from flakeship.destinations.registry.destination import RegistryDestination, Reuse
from flakeship.destinations.registry.dry_run import DryRun
from flakeship.destinations.withheld import Withheld
from flakeship.errors import NotAllowedError
from flakeship.registry.client import RegistryClient
from flakeship.registry.credential_search import FoundCredentials
from flakeship.registry.reference import TAG_PATTERN, TRANSPORT, Reference, check_tag


@contextlib.contextmanager
def opened(
    repository: Reference, tags: tuple[str, ...], options: DestinationOptions
) -> Iterator[Destination]:
    """Open `repository`, a reference without a tag, to push to it and write `tags`.

    A `Withheld` takes its place if `push` is false, if the run is not trusted, or if `push` is auto, there are no
    credentials and the registry wants some. NotAllowedError for any other push that is refused.
    """
    registry = options.registry
    found = registry.credentials(repository)
    destination = _destination(repository, tags, found, options)
    # docs/decisions.md#a-dry-run-asks-registries-only
    if options.dry_run:
        yield DryRun(destination, emit=options.emit)
    elif _is_pushed(destination, found, registry, options.emit):
        yield destination
    else:
        yield Withheld(destination.name, destination.references, emit=options.emit)


def _is_pushed(
    destination: RegistryDestination, found: FoundCredentials, registry: RegistryOptions, emit: events.Emit
) -> bool:
    if registry.push == "false":
        return False
    if registry.untrusted:
        _refuse_untrusted(registry, emit)
        return False
    try:
        destination.check()
    except NotAllowedError as error:
        if not (registry.push == "auto" and found.credentials is None):
            raise
        why = f"{error.message}, and {registry.without_credentials}"
        emit(events.Notice(f"not pushed to {destination.name}: {why}", prominent=True))
        return False
    return True


def _refuse_untrusted(registry: RegistryOptions, emit: events.Emit) -> None:
    """Emit one notice, or raise NotAllowedError if `push` is true."""
    # docs/decisions.md#untrusted-code-is-never-pushed
    if registry.push == "true":
        raise NotAllowedError(
            f"nothing may be pushed: {registry.untrusted}",
            hint="`push: auto` builds and checks it; `allow-untrusted: true` says that you trust whose code it is",
        )
    emit(events.Notice(f"nothing is pushed: {registry.untrusted}", prominent=True))


def _destination(
    repository: Reference, tags: tuple[str, ...], found: FoundCredentials, options: DestinationOptions
) -> RegistryDestination:
    session, credentials = options.registry.session(), found.credentials
    reusable, others = _reuse_from(repository, options.registry)
    client = RegistryClient(
        session,
        repository.registry,
        repository.repository,
        credentials,
        actions="pull" if options.dry_run else "pull,push",
        pull_from=tuple(others),
    )
    sources = tuple(
        (RegistryClient(session, repository.registry, name, credentials, actions="pull"), wanted)
        for name, wanted in others.items()
    )
    reuse = Reuse(
        tuple(dict.fromkeys(tag for tag in reusable if tag not in tags)),
        sources,
        always=bool(options.registry.reuse_from),
    )
    return RegistryDestination(
        client,
        tags=tags,
        mount_from=client.pull_from,
        reuse=reuse if options.registry.reuse else None,
        source=found.source if credentials else "",
        platform_hint=options.registry.platform_hint,
        emit=options.emit,
    )


def _reuse_from(
    repository: Reference, registry: RegistryOptions
) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Return the tags of the repository, and those of other repositories of its registry, to look for layers at."""
    tags: list[str] = []
    others: dict[str, tuple[str, ...]] = {}
    for text in (*registry.reuse_from, *registry.pulled_from):
        if "/" not in text:
            tags.append(check_tag(text.lstrip(":")))
            continue
        reference = Reference.parse(text.removeprefix(TRANSPORT))
        if reference.registry != repository.registry:
            continue
        wanted = reference.tag or reference.digest or "latest"
        if reference.repository == repository.repository:
            tags.append(wanted)
        else:
            others[reference.repository] = (*others.get(reference.repository, ()), wanted)
    if not registry.reuse_from:
        tags += [
            tag for tag in (registry.default_branch, "latest", "main", "edge") if TAG_PATTERN.fullmatch(tag)
        ]
    return tags, others
