"""The protocol of docker's credential helpers: programs that keep the credentials of registries.

https://github.com/docker/docker-credential-helpers#development
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flakeship.confinement import variables
from flakeship.errors import DOCS, NotAllowedError, UsageError
from flakeship.outside.mounted import in_container
from flakeship.process import NotStartedError, run
from flakeship.registry.auth_file import HUB_KEY, TOKEN_USER
from flakeship.registry.credentials import Credentials
from flakeship.registry.go_json import parse_object
from flakeship.registry.reference import DOCKER_HUB

_TIMEOUT: Final = 30.0
_LIMIT: Final = 1024 * 1024
GIVE_TO_CONTAINER: Final = "set FLAKESHIP_USERNAME and FLAKESHIP_PASSWORD, and hand them over: `docker run -e FLAKESHIP_USERNAME -e FLAKESHIP_PASSWORD …`"
"""The hint where a container can't read what `docker login` stored on the host."""

_KEEPS_NONE: Final = b"credentials not found"
"""What helpers say of a registry that they keep nothing for.

https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go
"""


class HelperAbsentError(NotAllowedError):
    """This container does not hold the helper that a file of its host names: what docker login stored there can't be read."""


def ask_helper(name: str, registry: str, environ: Mapping[str, str]) -> Credentials | None:
    """Run `docker-credential-NAME get` for a registry, and return None if it keeps no credentials for it.

    Its answer is read as docker reads it. NotAllowedError is raised if it fails otherwise, and UsageError if `name` can
    be no program's name, HelperAbsentError if it is a program of the host and this is a container.
    """
    _check(name)
    program = f"docker-credential-{name}"
    server = HUB_KEY if registry == DOCKER_HUB else registry
    given = variables.of_helper(name).of(environ)
    hint = f"run `echo {server} | {program} get` to see why, or set `username` and `password`" + _withheld(
        given, environ
    )
    try:
        done = run([program, "get"], environ=given, stdin=server.encode(), timeout=_TIMEOUT, limit=_LIMIT)
    except (NotStartedError, TimeoutError) as error:
        if isinstance(error, NotStartedError) and error.absent and in_container(environ):
            raise HelperAbsentError(
                f"the credentials for {registry} are kept by {program}, a program of the host that this container does not hold",
                hint=GIVE_TO_CONTAINER,
            ) from error
        raise NotAllowedError(f"the credential helper for {registry} failed: {error}", hint=hint) from error
    if done.printed_too_much:
        raise NotAllowedError(
            f"the credential helper {program} printed more than {_LIMIT} bytes for {registry}", hint=hint
        )
    if done.returncode:
        if _KEEPS_NONE in done.stdout + done.stderr:
            return None
        raise NotAllowedError(
            f"the credential helper {program} failed for {registry}, exit code {done.returncode}",
            hint=hint,
        )
    try:
        return _answered(done.stdout)
    except (ValueError, TypeError):
        raise NotAllowedError(
            f"the credential helper {program} printed something else than credentials", hint=hint
        ) from None  # The message of the cause may quote a secret.


def _answered(stdout: bytes) -> Credentials | None:
    """Return None for an answer without a secret, which docker takes for no credentials."""
    if not stdout.strip():
        raise ValueError("it said nothing")
    document = parse_object(stdout)
    username, secret = document.text("Username"), document.text("Secret")
    if (secret and not document.holds("Username")) or (username and not document.holds("Secret")):
        raise ValueError("it said half of it")
    if not secret:
        return None
    return Credentials("", secret, "identity") if username == TOKEN_USER else Credentials(username, secret)


def _check(name: str) -> None:
    """Refuse what would start a program outside PATH, or what no file can be called."""
    try:
        possible = not {"/", "\0"} & set(name) and 0 < len(name.encode(errors="surrogateescape")) < 200
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise UsageError(
            f"{name[:60]!a} is not the name of a credential helper",
            hint="write credsStore and credHelpers without prefix and folder: `desktop` for docker-credential-desktop",
        )


def _withheld(given: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """By hand it may well work: then it takes the credentials from a variable that we did not pass."""
    if environ.keys() <= given.keys():
        return ""
    return (
        "; if that works, it may need a variable that it did not get here: helpers get only those of the list "
        f"at {DOCS}/security.md#what-each-program-is-given"
    )
