"""Whose credentials go to which registry: the places users keep them, in a fixed order, and the name of the place."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from flakeship.errors import NotAllowedError, UsageError
from flakeship.printable import one_line
from flakeship.registry.auth_file import AuthEntry, AuthFile, parse_auth_file, read_auth_file
from flakeship.registry.reference import DOCKER_HUB, Reference, normal_registry

_HELPER_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_HELPER_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """`kind`: a password for Basic and token servers; an identity (refresh) token; or a token for Bearer as it is."""

    username: str
    secret: str = field(repr=False)
    kind: Literal["password", "identity", "bearer"] = "password"


@dataclass(frozen=True, slots=True)
class ExplicitCredentials:
    """The inputs `registry`, `username`, `password`. An empty registry means every one of this run."""

    username: str
    password: str = field(repr=False)
    registry: str = ""

    def is_for(self, reference: Reference) -> bool:
        return normal_registry(self.registry) in ("", reference.registry)


@dataclass(frozen=True, slots=True)
class OfferedCredentials:
    """Credentials that are good for one `registry`; `source` names where they come from, for the log."""

    registry: str
    credentials: Credentials
    source: str


@dataclass(frozen=True, slots=True)
class FoundCredentials:
    """`source` says in a few words where they come from, for the log."""

    credentials: Credentials | None
    source: str


def find_credentials(
    reference: Reference,
    *,
    explicit: ExplicitCredentials | None,
    authfile: str | None,
    environ: Mapping[str, str],
    home: str,
    offered: Iterable[OfferedCredentials] = (),
) -> FoundCredentials:
    """The first of: inputs, authfile, docker's helper and file, containers' files, DOCKER_AUTH_CONFIG, and `offered`,
    which is what CI gives and is not read unless all others have nothing.

    DOCKER_AUTH_CONFIG stands below docker login, unlike docker's own order: GitLab's runner sets it to credentials
    that may only read (docker/cli#6156). A file that cannot be read and a helper that fails are errors: to go on
    with other credentials is how they reach the wrong registry (CVE-2021-41092).
    """
    places = itertools.chain(
        _from_inputs(reference, explicit),
        _from_files(reference, authfile, environ, home),
        _from_offered(reference, offered),
    )
    return next(places, FoundCredentials(None, "anonymous"))


def _from_inputs(reference: Reference, explicit: ExplicitCredentials | None) -> Iterator[FoundCredentials]:
    if explicit and explicit.is_for(reference):
        yield FoundCredentials(
            Credentials(explicit.username, explicit.password), "the inputs username and password"
        )


def _from_files(
    reference: Reference, authfile: str | None, environ: Mapping[str, str], home: str
) -> Iterator[FoundCredentials]:
    for path, must_exist in _places(authfile, environ, home):
        yield from _from_file(
            read_auth_file(path, must_exist=must_exist), reference, environ, source=str(path)
        )
    if text := environ.get("DOCKER_AUTH_CONFIG"):
        document = parse_auth_file(text, "DOCKER_AUTH_CONFIG")
        yield from _from_file(document, reference, environ, source="DOCKER_AUTH_CONFIG")


def _places(authfile: str | None, environ: Mapping[str, str], home: str) -> Iterator[tuple[Path, bool]]:
    """Files in the order of their word, and whether it is an error that one is missing."""
    if authfile:
        yield Path(authfile), True
    elif named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named), True
    yield Path(environ.get("DOCKER_CONFIG") or f"{home}/.docker") / "config.json", False
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers/auth.json", False
    yield Path(environ.get("XDG_CONFIG_HOME") or f"{home}/.config") / "containers/auth.json", False


def _from_file(
    document: AuthFile, reference: Reference, environ: Mapping[str, str], *, source: str
) -> Iterator[FoundCredentials]:
    if helper := document.helper_for(reference.registry):
        credentials = _ask_helper(helper, reference.registry, environ)
        if credentials:
            yield FoundCredentials(credentials, f"docker-credential-{helper}, named in {source}")
    if entry := document.entry_for(reference.registry, reference.repository):
        yield FoundCredentials(_of(entry), source)


def _of(entry: AuthEntry) -> Credentials:
    if entry.registry_token:
        return Credentials("", entry.registry_token, "bearer")
    if entry.identity_token:
        return Credentials(entry.username, entry.identity_token, "identity")
    return Credentials(entry.username, entry.password)


def _ask_helper(name: str, registry: str, environ: Mapping[str, str]) -> Credentials | None:
    """None where the helper says that it has none; NotAllowedError for whatever else goes wrong.

    https://github.com/docker/docker-credential-helpers#development
    """
    from flakeship.process import NotStartedError, run

    program = f"docker-credential-{name}"
    if not _HELPER_NAME.fullmatch(name):
        raise UsageError(
            f"{name[:60]!r} is not the name of a credential helper",
            hint="Write credsStore and credHelpers without the prefix: `desktop` for docker-credential-desktop.",
        )
    server = "https://index.docker.io/v1/" if registry == DOCKER_HUB else registry
    hint = f"Try: echo {server} | {program} get; or give username and password."
    try:
        done = run([program, "get"], environ=environ, stdin=server.encode(), timeout=_HELPER_SECONDS)
    except (NotStartedError, TimeoutError) as error:
        raise NotAllowedError(f"the credential helper for {registry} failed: {error}", hint=hint) from error
    if done.returncode:
        said = one_line((done.stdout + done.stderr).decode("utf-8", "replace"), 200)
        if "credentials not found" in said:
            return None
        raise NotAllowedError(
            f"the credential helper {program} failed for {registry}, exit code {done.returncode}",
            hint=hint,
        )
    try:
        document = json.loads(done.stdout)
        username, secret = document["Username"], document["Secret"]
        if not isinstance(username, str) or not isinstance(secret, str):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise NotAllowedError(
            f"the credential helper {program} answered with something else than credentials", hint=hint
        ) from error
    return Credentials("", secret, "identity") if username == "<token>" else Credentials(username, secret)


def _from_offered(reference: Reference, offered: Iterable[OfferedCredentials]) -> Iterator[FoundCredentials]:
    for one in offered:
        if reference.registry == normal_registry(one.registry):
            yield FoundCredentials(one.credentials, one.source)
