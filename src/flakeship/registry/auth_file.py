"""The files config.json of docker and auth.json of podman: one format, in which the keys are spelled in several ways.

https://docs.docker.com/reference/cli/docker/login/
https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from flakeship.errors import UsageError
from flakeship.registry.credentials import Credentials
from flakeship.registry.reference import normal_registry

_LIMIT: Final = 1024 * 1024
TOKEN_USER: Final = "<token>"  # noqa: S105 - no secret
"""The user name that marks a secret as an identity token: https://github.com/docker/docker-credential-helpers#development."""


@dataclass(frozen=True, slots=True)
class AuthEntry:
    """One value of `auths`. At least one of the fields is not empty."""

    username: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def credentials(self) -> Credentials:
        """Return the credentials of the entry; a token counts more than a password."""
        if self.registry_token:
            return Credentials("", self.registry_token, "bearer")
        if self.identity_token:
            return Credentials(self.username, self.identity_token, "identity")
        return Credentials(self.username, self.password)


@dataclass(frozen=True, slots=True)
class AuthFile:
    """The content of one file.

    The keys of `auths` are `host` or `host/namespace`, with the host as references name it. `helpers` maps a host to the
    name of its credential helper, and `store` is the helper of all other hosts, or empty.
    """

    auths: Mapping[str, AuthEntry] = field(repr=False)
    helpers: Mapping[str, str]
    store: str = ""

    def helper_for(self, registry: str) -> str:
        """Return the name of the credential helper for a registry, or an empty string."""
        return self.helpers.get(registry, self.store)

    def entry_for(self, registry: str, repository: str) -> AuthEntry | None:
        """Return the most specific entry: that of the repository, of a namespace above it, or of the host."""
        parts = [registry, *repository.split("/")]
        keys = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((self.auths[key] for key in keys if key in self.auths), None)


def read_auth_file(path: Path, *, must_exist: bool) -> AuthFile:
    """Read a file; without one the result is empty, unless it must exist. UsageError is raised if it cannot be used."""
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise UsageError(
                f"there is no file of credentials {path}", hint="Check authfile or REGISTRY_AUTH_FILE."
            ) from error
        return AuthFile({}, {})
    except OSError as error:
        raise UsageError(
            f"the file of credentials {path} cannot be read: {error.strerror}",
            hint="Give the file to the user who runs this, or name another with authfile.",
        ) from error
    return parse_auth_file(data[:_LIMIT], str(path))


def parse_auth_file(text: str | bytes, name: str) -> AuthFile:
    """Parse the content of a file or variable called `name`. A UsageError shows the name, and never the content."""
    try:
        document = json.loads(text or "{}")
        return AuthFile(dict(_auths(document)), dict(_helpers(document)), _string(document, "credsStore"))
    except (ValueError, RecursionError, TypeError, AttributeError):
        raise UsageError(
            f"{name} is not a file of credentials as docker login writes it",
            hint='It must be JSON: {"auths": {"HOST": {"auth": "…"}}}.',
        ) from None  # The message of the cause may quote a secret.


def _auths(document: Any) -> Iterator[tuple[str, AuthEntry]]:
    for key, value in (document.get("auths") or {}).items():
        if entry := _entry(value):
            yield _normal_key(key), entry


def _helpers(document: Any) -> Iterator[tuple[str, str]]:
    for key, value in (document.get("credHelpers") or {}).items():
        if not isinstance(value, str):
            raise TypeError
        yield normal_registry(key), value


def _entry(value: Any) -> AuthEntry | None:
    """Return None for an empty entry: docker writes `{}` for a secret that a credential helper keeps."""
    username, password = _string(value, "username"), _string(value, "password")
    if auth := _string(value, "auth"):
        username, password = _decoded(auth)
    identity, registry = _string(value, "identitytoken"), _string(value, "registrytoken")
    if username == TOKEN_USER:
        username, password, identity = "", "", identity or password
    return (
        AuthEntry(username, password, identity, registry)
        if username or password or identity or registry
        else None
    )


def _decoded(auth: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError from None
    if not colon:
        raise ValueError
    return username, password.rstrip("\0")


def _string(value: Any, key: str) -> str:
    found = value.get(key) or ""
    if not isinstance(found, str):
        raise TypeError
    return found


def _normal_key(key: str) -> str:
    """Return a key such as `https://index.docker.io/v1/` or `host/namespace` with the host as references name it."""
    host, _, path = key.partition("://")[2].partition("/") if "://" in key else key.partition("/")
    path = path.strip("/")
    namespace = "" if path in ("v1", "v2") else path
    return normal_registry(host) + (f"/{namespace}" if namespace else "")
