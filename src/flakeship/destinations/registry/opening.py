"""Opens a repository with the right credentials: to push to it, or only to look where the image is withheld."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flakeship import events
from flakeship.destinations.options import DestinationOptions, RegistryOptions
from flakeship.destinations.protocol import Destination
from flakeship.destinations.registry.destination import RegistryDestination
from flakeship.destinations.registry.dry_run import DryRun
from flakeship.destinations.registry.reusable import Reuse
from flakeship.destinations.registry.sessions import AFTER_ERROR, AFTER_SIGNAL
from flakeship.destinations.withheld import Withheld, withheld_because
from flakeship.registry.client import RegistryClient
from flakeship.registry.credential_search import FoundCredentials
from flakeship.registry.reference import TAG_PATTERN, TRANSPORT, Reference, check_tag, with_lower_repository


@contextlib.contextmanager
def opened(
    repository: Reference, tags: tuple[str, ...], options: DestinationOptions
) -> Iterator[Destination]:
    """Open `repository`, a reference without a tag, to push to it and write `tags`.

    A `Withheld` takes its place if `push` is false, or if it is auto and CI keeps credentials from this run: the run is
    not trusted, or credentials may be kept from it and the registry wants some. NotAllowedError for any other push that
    can't be made.
    """
    found = options.registry.credentials(repository)
    destination = _destination(repository, tags, found, options)
    try:
        with _chosen(destination, found, options) as place:
            yield place
    except BaseException as error:
        destination.interrupt()
        # docs/decisions.md#cancelled-is-not-an-exception
        destination.end(AFTER_ERROR if isinstance(error, Exception) else AFTER_SIGNAL)
        raise
    destination.end(AFTER_ERROR)  # what was begun for a source that was given up for another


@contextlib.contextmanager
def _chosen(
    destination: RegistryDestination, found: FoundCredentials, options: DestinationOptions
) -> Iterator[Destination]:
    registry = options.registry
    # docs/decisions.md#a-dry-run-asks-registries-only
    if options.dry_run:
        yield DryRun(destination, emit=options.emit)
    elif why := withheld_because(
        options.push,
        destination.check,
        found_in=found.source if found.credentials else "",
        lacks_credentials=found.credentials is None or registry.given_to_job(found.credentials),
    ):
        options.emit(events.Detail(f"{destination.name} is sent nothing: {why}"))
        yield Withheld(
            destination.name,
            destination.references,
            untagged=destination.untagged,
            why=why,
            emit=options.emit,
        )
    else:
        yield destination


def _destination(
    repository: Reference, tags: tuple[str, ...], found: FoundCredentials, options: DestinationOptions
) -> RegistryDestination:
    session, credentials = options.registry.session(), found.credentials
    reusable, others = _reuse_from(repository, options.registry)
    written_before = options.registry.written.at(repository.registry, credentials)
    client = RegistryClient(
        session,
        repository.registry,
        repository.repository,
        credentials,
        actions="pull" if options.dry_run else "pull,push",
        pull_from=tuple(dict.fromkeys((*others, *written_before.values()))),
    )
    sources = tuple(
        (RegistryClient(session, repository.registry, name, credentials, actions="pull"), wanted)
        for name, wanted in others.items()
    )
    written = () if options.registry.by_digest else tags
    reuse = Reuse(
        tuple(dict.fromkeys(tag for tag in (*tags, *reusable) if tag not in written)),
        sources,
        always=bool(options.registry.reuse_from),
    )
    return RegistryDestination(
        client,
        tags=written,
        untagged=tags if options.registry.by_digest else (),
        mount_from=tuple(others),
        written=options.registry.written,
        reuse=reuse if options.registry.reuse else None,
        source=found.source if credentials else "",
        platform_hint=options.registry.platform_hint,
        bodies=options.registry.bodies,
        certain=options.dry_run,
        attaches=options.registry.attaches,
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
        reference = Reference.parse(with_lower_repository(text.removeprefix(TRANSPORT)))
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
