"""The inputs about destinations are checked once, and open the targets of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from flakeship.ci.platforms import refusal_hint, unreachable_hint
from flakeship.commands.lower_case import in_lower_case
from flakeship.commands.run import Run
from flakeship.destinations.grammar import targets
from flakeship.destinations.kind import Target
from flakeship.destinations.options import DestinationOptions, PushOptions, PushPolicy, RegistryOptions
from flakeship.destinations.protocol import Destination
from flakeship.destinations.registry import Repository
from flakeship.errors import UnreachableError, UsageError
from flakeship.outside.mounted import in_container
from flakeship.registry.reference import TRANSPORT
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.registry.credential_search import FoundCredentials
    from flakeship.registry.reference import Reference


_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationRequest:
    """`to` and `load` as the user wrote them; `layout_tag` names the image in OCI layouts that are given no tag.

    Without one the first reference names it, and where there is no reference either, `unnamed_tag`.

    `needs_registry` is True if a password was given and no registry that it is for. `others` are the registries that
    the other images of the run are pushed to.
    """

    to: tuple[str, ...]
    load: str
    layout_tag: str
    unnamed_tag: str
    cwd: Path
    options: DestinationOptions
    needs_registry: bool
    others: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, settings: Settings, run: Run, *, layout_tag: str = "", unnamed_tag: str = ""
    ) -> DestinationRequest:
        """UsageError for a user name without a password, and the other way round."""
        run.check_connections()
        _check_pair(settings, run)
        return cls(
            to=tuple(in_lower_case(text, run.emit) for text in settings.to),
            load=settings.load,
            layout_tag=layout_tag,
            unnamed_tag=unnamed_tag,
            cwd=run.runtime.cwd,
            options=_options(settings, run),
            needs_registry=bool(settings.username) and not settings.registry,
        )

    def targets(self, references: Sequence[str]) -> tuple[Target, ...]:
        """Return where the image goes under these full references. UsageError for a malformed or unknown destination."""
        tag = self.layout_tag or ("" if references else self.unnamed_tag)
        return targets(to=self.to, load=self.load, references=references, cwd=self.cwd, tag=tag)

    def open(self, wanted: Sequence[Target], scope: ExitStack) -> tuple[Destination, ...]:
        """Open every target, and check that it can be written to; `scope` closes them.

        UsageError if it is unclear to which registry a password belongs: it is sent to none that it was not meant for.
        """
        registries = self.pushed_to(wanted)
        if self.needs_registry and len(registries) > 1:
            raise UsageError(
                f"`username` and `password` are given, but not for which of {', '.join(sorted(registries))}",
                hint="set `registry` to the one that they are for, and use `docker login` or `authfile` for the others",
            )
        return tuple(scope.enter_context(opened(target, self.options)) for target in wanted)

    def pushed_to(self, wanted: Sequence[Target]) -> frozenset[str]:
        """Return the registries that the images of this run go to; `wanted` are the targets of this one."""
        return registries_of(wanted) | self.others

    def beside(self, others: frozenset[str]) -> DestinationRequest:
        """The same request in a run whose other images are pushed to these registries."""
        return replace(self, others=others)

    def reusing(self, tags: tuple[str, ...]) -> DestinationRequest:
        """The same request, which looks for layers at `tags`, if there are any."""
        if not tags:
            return self
        registry = replace(self.options.registry, reuse_from=tags)
        return replace(self, options=replace(self.options, registry=registry))


@contextmanager
def opened(target: Target, options: DestinationOptions) -> Iterator[Destination]:
    """Open a destination. A registry that can't be reached may be one that the platform only made up."""
    with ExitStack() as scope:
        try:
            destination = scope.enter_context(target.open(options))
        except UnreachableError as error:
            if isinstance(target, Repository):
                host = target.registry.partition(":")[0]
                error.hint = unreachable_hint(host) or _in_a_container(host, options.environ) + error.hint
            raise
        yield destination


def _in_a_container(host: str, environ: Mapping[str, str]) -> str:
    """Say what `localhost` means in a container, before another hint; empty elsewhere."""
    if host not in {"localhost", "127.0.0.1"} or not in_container(environ):
        return ""
    return (
        f"give the container the network of the machine, since {host} is the container itself: `--network host` of docker, and "
        "of gitlab-ci-local; or "
    )


def registries_of(wanted: Sequence[Target]) -> frozenset[str]:
    """The registries that an image goes to."""
    return frozenset(target.registry for target in wanted if isinstance(target, Repository))


def checked_places(wanted: Sequence[Target]) -> str:
    """How the log calls what is looked at: the repositories, as far as the image goes to any."""
    names = [f"{target.registry}/{target.repository}" for target in wanted if isinstance(target, Repository)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}" if names else "the destinations"


def keeping_own_name(wanted: Sequence[Target], places: Sequence[Destination]) -> tuple[str, ...]:
    """The names of the destinations where an image keeps the name that it gives itself."""
    return tuple(place.name for target, place in zip(wanted, places, strict=True) if target.keeps_own_name)


def _options(settings: Settings, run: Run) -> DestinationOptions:
    runtime, context = run.runtime, run.event
    trusted = context.trusted or settings.allow_untrusted
    registry = RegistryOptions(
        session=lambda: run.connections.session,
        credentials=_credentials_of(run),
        given_to_job=run.connections.given_to_job if context.from_outside else lambda _: False,
        reuse=settings.reuse != "off",
        reuse_from=settings.reuse_from,
        pulled_from=tuple(
            text for text in (settings.source, settings.base_image) if text.startswith(TRANSPORT)
        ),
        default_branch=context.repository.default_branch,
        platform_hint=partial(_refusal_hint, environ=runtime.environ, in_ci=context.platform != "local"),
        bodies=settings.max_concurrent_uploads or 1,
        by_digest=settings.push_by_digest,
        attaches=settings.attaches,
        written=run.written,
    )
    return DestinationOptions(
        emit=run.emit,
        push=PushOptions(
            policy=cast("PushPolicy", settings.push),
            untrusted="" if trusted else context.untrusted_because,
            secrets_kept=context.secrets_kept_because,
            without_credentials=_missing(settings),
        ),
        registry=registry,
        dry_run=settings.dry_run,
        zstd=settings.compression == "zstd",
        environ=runtime.environ,
        home=runtime.home,
        temporary=lambda: run.store.directory,
        stdout=runtime.stdout,
    )


def _refusal_hint(host: str, *, environ: Mapping[str, str], in_ci: bool) -> str:
    """What mends a refusal by a registry; in a workflow the name of a secret is the first thing to doubt."""
    hint = refusal_hint(host, environ)
    if hint or not in_ci:
        return hint
    return (
        "check the names of the secrets or variables behind `username` and `password`, for one that does not exist is empty, and that "
        f"they are valid for {host} and may write; a login of an earlier step counts only where this step sees its file"
    )


def _missing(settings: Settings) -> str:
    """Say why the inputs gave no credentials for a registry, in a clause; empty where they name no user."""
    if settings.username and settings.password and settings.registry:
        return f"`username` and `password` are for {settings.registry}, which `registry` names"
    return "`username` has no password" if settings.username else ""


def _credentials_of(run: Run) -> Callable[[Reference], FoundCredentials]:
    """Choose credentials when a registry is opened: an image that goes to none needs no search for them."""

    def chosen(reference: Reference) -> FoundCredentials:
        return run.connections.credentials_for(reference)

    return chosen


def _check_pair(settings: Settings, run: Run) -> None:
    """In CI a secret that is kept from a run is an empty password; the registry is asked then, and what it says counts."""
    withheld = run.event.platform != "local" and settings.push != "true" and not settings.password
    if bool(settings.username) != bool(settings.password) and not withheld:
        missing = "password" if settings.username else "username"
        raise UsageError(
            f"`{missing}` is missing: `username` and `password` are needed together",
            hint="set `password`, or in a shell pipe it in by --password-stdin"
            if missing == "password"
            else "set `username`",
        )
