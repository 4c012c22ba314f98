"""Opens a repository with the right credentials: to push to it, or only to look where the image is withheld."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flakeship import events
from flakeship.destinations.options import DestinationOptions, RegistryOptions
from flakeship.destinations.protocol import Destination
from flakeship.destinations.registry.destination import CredentialsRefusedError, RegistryDestination, Reuse
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

    A `Withheld` takes its place if `push` is false, or if it is auto and CI keeps credentials from this run: the run is
    not trusted, or credentials may be kept from it and the registry wants some. NotAllowedError for any other push that
    can't be made.
    """
    registry = options.registry
    found = registry.credentials(repository)
    destination = _destination(repository, tags, found, options)
    # docs/decisions.md#a-dry-run-asks-registries-only
    if options.dry_run:
        yield DryRun(destination, emit=options.emit)
    elif why := _withheld_because(destination, found, registry):
        options.emit(events.Detail(f"{destination.name} is sent nothing: {why}"))
        yield Withheld(destination.name, destination.references, why=why, emit=options.emit)
    else:
        yield destination


def _withheld_because(
    destination: RegistryDestination, found: FoundCredentials, registry: RegistryOptions
) -> str:
    """Return why the image is withheld, in a clause for messages; empty if it is pushed, which is checked then."""
    if registry.push == "false":
        return "`push` is false"
    # docs/decisions.md#a-push-is-withheld-only-without-credentials
    lacks_credentials = found.credentials is None or registry.given_to_job(found.credentials)
    if registry.untrusted:
        # docs/decisions.md#untrusted-code-is-never-pushed
        if registry.push == "true" or not lacks_credentials:
            raise _untrusted(registry, found)
        return registry.untrusted
    try:
        destination.check()
    except CredentialsRefusedError as error:
        refused = _explained(error, found, registry)
        if registry.push == "auto" and registry.secrets_kept and lacks_credentials:
            return f"{registry.secrets_kept}; {refused.message}"
        raise refused from error
    return ""


def _untrusted(registry: RegistryOptions, found: FoundCredentials) -> NotAllowedError:
    given = "" if found.credentials is None else f", though there are credentials ({found.source})"
    return NotAllowedError(
        f"nothing may be pushed{given}: {registry.untrusted}",
        hint="`push: false` builds and checks it; `allow-untrusted: true` says that you trust whose code it is",
    )


def _explained(
    error: CredentialsRefusedError, found: FoundCredentials, registry: RegistryOptions
) -> CredentialsRefusedError:
    """Return the error with what the inputs lack, and with the way to go on without a push."""
    if found.credentials is not None:
        return error
    lacking = (
        f"{error.message}; {registry.without_credentials}" if registry.without_credentials else error.message
    )
    return CredentialsRefusedError(
        lacking, hint=f"{error.hint} `push: false` builds and checks without pushing.".strip()
    )


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
