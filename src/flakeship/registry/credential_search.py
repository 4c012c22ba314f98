"""The search for the credentials of a repository, in all places where users keep them, in a fixed order."""

from __future__ import annotations

import base64
import binascii
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from flakeship.errors import UsageError
from flakeship.registry.auth_file import AuthFile, ReadAuthFile, parse_auth_file, read_auth_file
from flakeship.registry.credentials import Credentials
from flakeship.registry.reference import Reference, normal_registry


@dataclass(frozen=True, slots=True)
class ExplicitCredentials:
    """The inputs `registry`, `username` and `password`. An empty `registry` means every registry of this run."""

    username: str
    password: str = field(repr=False)
    registry: str = ""

    def is_for(self, reference: Reference) -> bool:
        """Tell whether they may be sent to the registry of a reference."""
        return normal_registry(self.registry) in ("", reference.registry)


@dataclass(frozen=True, slots=True)
class OfferedCredentials:
    """Credentials for one `registry` that the CI platform gives to a job. `source` names their origin for the log."""

    registry: str
    credentials: Credentials
    source: str


@dataclass(frozen=True, slots=True)
class FoundCredentials:
    """The credentials to use, or None for anonymous access. `source` names their origin for the log.

    `notice` tells what could not be asked on the way; empty if nothing was left out.
    """

    credentials: Credentials | None
    source: str
    notice: str = ""


def find_credentials(
    reference: Reference,
    *,
    explicit: ExplicitCredentials | None,
    authfile: str | None,
    environ: Mapping[str, str],
    home: str,
    offered: Iterable[OfferedCredentials] = (),
    root: Path = Path("/"),
    read: ReadAuthFile = read_auth_file,
) -> FoundCredentials:
    """Return the first credentials for a repository from these places, in this order.

    They are `explicit`, the file `authfile` or else REGISTRY_AUTH_FILE, docker's config.json, the two auth.json of
    podman, docker's old .dockercfg, root's auth.json in /etc, the variable DOCKER_AUTH_CONFIG, and `offered`, which is
    not read before all others had none. In each file the credential helper comes before the entry. UsageError or
    NotAllowedError is raised for a file that cannot be read, an entry that is broken or can't be sent, and a helper that
    fails, because the credentials of the next place may be meant for another registry (CVE-2021-41092). Only a helper that a
    container lacks is passed over, if nobody logged in to this registry by it.
    """
    # docker itself asks DOCKER_AUTH_CONFIG first. GitLab's runner sets it to credentials that may only pull, which
    # would hide those of a `docker login`: https://github.com/docker/cli/issues/6156
    passed_over: list[str] = []
    places = itertools.chain(
        _from_inputs(reference, explicit),
        _from_files(reference, _places(authfile, environ, home, root), environ, read, passed_over),
        _from_offered(reference, offered),
    )
    found = next(places, FoundCredentials(None, "anonymous"))
    if found.credentials and (reason := found.credentials.unusable_because):
        raise UsageError(
            f"the credentials for {reference.registry} from {found.source} can't be sent: their text {reason}",
            hint=f"write them there anew, without a line break at the end, or log in again (`docker login {reference.registry}`)",
        )
    return replace(found, notice=passed_over[0]) if passed_over else found


def _from_inputs(reference: Reference, explicit: ExplicitCredentials | None) -> Iterator[FoundCredentials]:
    if explicit and explicit.is_for(reference):
        yield FoundCredentials(Credentials(explicit.username, explicit.password), "`username` and `password`")


def _from_files(
    reference: Reference,
    places: Iterable[tuple[Path, bool]],
    environ: Mapping[str, str],
    read: ReadAuthFile,
    passed_over: list[str],
) -> Iterator[FoundCredentials]:
    for path, must_exist in places:
        document = read(path, must_exist=must_exist)
        yield from _from_file(document, reference, environ, passed_over, source=str(path))
    if text := environ.get("DOCKER_AUTH_CONFIG"):
        document = _from_variable(text)
        yield from _from_file(document, reference, environ, passed_over, source="DOCKER_AUTH_CONFIG")


def _places(
    authfile: str | None, environ: Mapping[str, str], home: str, root: Path
) -> Iterator[tuple[Path, bool]]:
    """Yield the files in the order in which they are read, and whether each must exist.

    https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
    """
    if authfile:
        yield _path(authfile, "authfile"), True
    elif named := environ.get("REGISTRY_AUTH_FILE"):
        yield _path(named, "REGISTRY_AUTH_FILE"), True
    yield Path(environ.get("DOCKER_CONFIG") or f"{home}/.docker") / "config.json", False
    # Where there is no session, as for root and in CI, podman takes /run: https://github.com/containers/podman/issues/25464
    runtime = environ.get("XDG_RUNTIME_DIR")
    yield (
        (
            Path(runtime) / "containers/auth.json"
            if runtime
            else root / f"run/containers/{os.getuid()}/auth.json"
        ),
        False,
    )
    yield Path(environ.get("XDG_CONFIG_HOME") or f"{home}/.config") / "containers/auth.json", False
    yield Path(home) / ".dockercfg", False
    if os.getuid() == 0:
        yield root / "etc/containers/auth.json", False


def _path(text: str, name: str) -> Path:
    """Return the path. The credentials themselves must not be shown as the name of a file that is missing."""
    if '{"' in "".join(text.split()):
        raise UsageError(
            f"{name} holds credentials, but must hold the path of a file",
            hint="write them to a file and name that, or put them into the variable DOCKER_AUTH_CONFIG",
        )
    return Path(text)


def _from_variable(text: str) -> AuthFile:
    """A path there is what a GitLab variable of the type File gives: https://docs.gitlab.com/ci/variables/#use-file-type-cicd-variables."""
    name = "DOCKER_AUTH_CONFIG"
    try:
        return parse_auth_file(text.encode(errors="surrogateescape"), name)
    except UsageError as error:
        bare = text.strip()
        if os.path.isfile(bare):  # noqa: PTH113 - Path.is_file raises OSError for what is too long for a name
            raise UsageError(
                f"{name} holds the path {bare}, but must hold the credentials themselves",
                hint=f"on GitLab, change the variable's type from File to Variable, or set `authfile: ${name}`",
            ) from error
        if bare.startswith("/") and "\n" not in bare:  # it may be a secret all the same, and is not shown
            raise UsageError(
                f"{name} looks like the path of a file that does not exist here, but must hold the credentials themselves",
                hint="on GitLab, change the variable's type from File to Variable: a container does not see its file",
            ) from error
        if _is_encoded(bare):
            raise UsageError(
                f"{name} holds Base64, but must hold the credentials themselves",
                hint="decode it first: `base64 -d`",
            ) from error
        raise


def _is_encoded(text: str) -> bool:
    try:
        return base64.b64decode("".join(text.split())).lstrip().startswith(b"{")
    except (binascii.Error, ValueError):
        return False


def _from_file(
    document: AuthFile,
    reference: Reference,
    environ: Mapping[str, str],
    passed_over: list[str],
    *,
    source: str,
) -> Iterator[FoundCredentials]:
    if helper := document.helper_for(reference.registry):
        from flakeship.registry.credential_helper import GIVE_TO_CONTAINER, HelperAbsentError, ask_helper

        try:
            credentials = ask_helper(helper, reference.registry, environ)
        except HelperAbsentError:
            if document.knows(reference.registry):
                raise
            credentials = None
            passed_over.append(
                f"{source} names docker-credential-{helper}, which this container does not hold, and no login to "
                f"{reference.registry}; to push with a login, {GIVE_TO_CONTAINER}"
            )
        if credentials:
            yield FoundCredentials(credentials, f"docker-credential-{helper}, named in {source}")
    if found := document.credentials_for(reference.registry, reference.repository):
        yield FoundCredentials(found, source)


def _from_offered(reference: Reference, offered: Iterable[OfferedCredentials]) -> Iterator[FoundCredentials]:
    for one in offered:
        if reference.registry == normal_registry(one.registry):
            yield FoundCredentials(one.credentials, one.source)
