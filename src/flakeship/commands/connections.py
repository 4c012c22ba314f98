"""The HTTP session of a run, and the credentials that its inputs, files and CI give for each repository."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.ci.platforms import job_credentials
from flakeship.commands.runtime import Runtime
from flakeship.http.clock import Clock
from flakeship.http.transport import Transport
from flakeship.registry.auth_file import ReadAuthFile, remembering_pipes
from flakeship.registry.credential_search import (
    ExplicitCredentials,
    FoundCredentials,
    OfferedCredentials,
    find_credentials,
)
from flakeship.registry.credentials import Credentials, basic_authorization
from flakeship.registry.reference import Reference
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:  # an image may go no further than this machine
    from flakeship.registry.client import RegistryClient
    from flakeship.registry.reading import RepositoryReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """How a run reaches registries. `home` is the user's home folder; `authfile` is None where docker's and podman's
    files are read. `named_user` are the inputs `username`, `password` and `registry`, None where no user is named.
    """

    session: Transport
    named_user: ExplicitCredentials | None
    authfile: str | None
    github_token: str = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    home: str
    emit: events.Emit
    read_auth_file: ReadAuthFile = field(default_factory=remembering_pipes, repr=False)

    @classmethod
    def of(cls, settings: Settings, runtime: Runtime) -> Connections:
        """Prepare the session, which connects when it is first used."""
        user = ExplicitCredentials(settings.username, settings.password, settings.registry)
        return cls(
            session=_session(settings, runtime),
            named_user=user if user.username else None,
            authfile=str(runtime.cwd / settings.authfile) if settings.authfile else None,
            github_token=settings.github_token,
            environ=runtime.environ,
            home=str(runtime.home),
            emit=runtime.emit,
        )

    def reader(self, reference: Reference, *, pushed_to: Collection[str] = ()) -> RepositoryReader:
        """The repository of `reference`, to read from: the right to pull is asked for alone.

        `pushed_to` are the registries that this image is pushed to. A user and a password without a registry belong to
        these, and to the registry that is read where nothing is pushed.
        """
        from flakeship.registry.client import RegistryClient
        from flakeship.registry.reading import RepositoryReader

        user = self.named_user
        meant = user is not None and (user.registry or not pushed_to or reference.registry in pushed_to)
        found = self._announced(reference, user if meant else None).credentials
        client = RegistryClient(self.session, reference.registry, reference.repository, found, actions="pull")
        return RepositoryReader(client, str(reference))

    def client(self, reference: Reference, *, actions: str = "pull,push") -> RegistryClient:
        """A client for the repository of `reference` that asks for the rights in `actions`, as a token server knows them."""
        from flakeship.registry.client import RegistryClient

        found = self.credentials_for(reference).credentials
        return RegistryClient(self.session, reference.registry, reference.repository, found, actions=actions)

    def credentials_for(self, reference: Reference) -> FoundCredentials:
        """Choose the credentials to push to a repository, and announce their secrets so that logs can mask them."""
        return self._announced(reference, self.named_user)

    def _announced(self, reference: Reference, user: ExplicitCredentials | None) -> FoundCredentials:
        found = self._found(reference, user)
        self.emit(events.Detail(f"credentials for {reference.name}: {found.source}"))
        if found.notice:
            self.emit(events.Notice(found.notice))
        if found.credentials:
            self.emit(events.Secret(found.credentials.secret))
            self.emit(events.Secret(basic_authorization(found.credentials).removeprefix("Basic ")))
        return found

    def given_to_job(self, credentials: Credentials) -> bool:
        """Tell whether the platform gives this password to every job, wherever it was found: an input may repeat it."""
        offered = offered_credentials(self.environ, github_token=self.github_token)
        return any(each.credentials.secret == credentials.secret for each in offered)

    def _found(self, reference: Reference, user: ExplicitCredentials | None) -> FoundCredentials:
        if user and not user.password and user.is_for(reference):
            # never those of another user than the one that the inputs name
            # docs/decisions.md#a-user-without-password-means-withheld-credentials
            return FoundCredentials(None, "username without a password")
        return find_credentials(
            reference,
            explicit=user,
            authfile=self.authfile,
            environ=self.environ,
            home=self.home,
            offered=offered_credentials(self.environ, github_token=self.github_token),
            read=self.read_auth_file,
        )


def offered_credentials(environ: Mapping[str, str], *, github_token: str) -> Iterator[OfferedCredentials]:
    """List what CI platforms give to a job, in the order of `PLATFORMS`; nothing is imported before the first is read."""
    for given in job_credentials(environ, token=github_token):
        yield OfferedCredentials(given.registry, Credentials(given.username, given.password), given.source)


def _session(settings: Settings, runtime: Runtime) -> Transport:
    return Transport(
        ca=str(runtime.cwd / settings.ca) if settings.ca else None,
        plain_http=settings.plain_http,
        environ=runtime.environ,
        emit=runtime.emit,
        clock=Clock(now=runtime.clock, sleep=runtime.sleep, random=runtime.random),
        home=str(runtime.home),
    )
