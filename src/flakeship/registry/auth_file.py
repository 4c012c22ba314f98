"""The files config.json of docker and auth.json of podman: one format, in which the keys are spelled in several ways.

What they hold for other registries is not looked at: one broken entry must not stop a push to another place.

https://docs.docker.com/reference/cli/docker/login/
https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from flakeship.errors import UsageError
from flakeship.registry.credentials import Credentials
from flakeship.registry.go_json import JsonObject, parse_object
from flakeship.registry.reference import DOCKER_HUB, normal_registry

_LIMIT: Final = 1024 * 1024
TOKEN_USER: Final = "<token>"  # noqa: S105 - no secret
"""The user name that marks a secret as an identity token: https://github.com/docker/docker-credential-helpers#development."""

HUB_KEY: Final = "https://index.docker.io/v1/"
"""What docker calls the Docker Hub in its files and towards helpers."""

_TOKENS_OF_DOCKER: Final = ("v1/access-token", "v1/refresh-token")
"""Where docker keeps what a login by the browser gave it: they are no passwords.

https://github.com/docker/cli/blob/master/cli/internal/oauth/manager/manager.go
"""

_IN_AN_ENTRY: Final = ("auth", "username", "password", "identitytoken", "registrytoken")


@dataclass(frozen=True, slots=True)
class AuthFile:
    """The content of a file or variable called `name`. UsageError names what is broken of what is asked for."""

    name: str
    document: JsonObject = field(repr=False)

    def helper_for(self, registry: str) -> str:
        """Return the name of the credential helper for a registry, or an empty string."""
        helpers = self._map("credHelpers")
        found = next(
            (
                helper
                for key, helper in helpers.items()
                if helper is not None and _normal_key(key) == registry
            ),
            None,
        )
        if found is None:
            return self._store()
        if not isinstance(found, str):
            raise self._broken(f"its credential helper for {registry} is not a text", registry)
        return found

    def knows(self, registry: str) -> bool:
        """Tell whether a login to a registry, or to a part of it, left an entry: docker leaves an empty one where a helper has the secret."""
        keys = (*self._entries(), *self._map("credHelpers"))
        return any(_normal_key(key).partition("/")[0] == registry for key in keys)

    def credentials_for(self, registry: str, repository: str) -> Credentials | None:
        """Return those of the most specific entry: that of the repository, of a namespace above it, or of the host."""
        parts = [registry, *repository.split("/")]
        entries = self._entries()
        for length in range(len(parts), 0, -1):
            place = "/".join(parts[:length])
            for key in sorted((key for key in entries if _normal_key(key) == place), key=_spelling(place)):
                try:
                    credentials = _credentials(entries[key])
                except ValueError as error:
                    raise self._broken(f"its entry for {place} can't be used: {error}", registry) from None
                if credentials:
                    return credentials
        return None

    def _entries(self) -> dict[str, Any]:
        if self.document.holds("auths"):
            return self._map("auths")
        # .dockercfg, as docker wrote it before 1.7 and as Kubernetes' secrets of the type dockercfg hold it
        return {key: value for key, value in self.document if _is_entry(value)}

    def _store(self) -> str:
        try:
            return self.document.text("credsStore")
        except TypeError as error:
            raise self._broken(f"its {error}") from None

    def _map(self, name: str) -> dict[str, Any]:
        try:
            return self.document.map(name)
        except TypeError as error:
            raise self._broken(f"its {error}") from None

    def _broken(self, what: str, registry: str = "") -> UsageError:
        return UsageError(
            f"{self.name} is not a file of credentials as docker login writes it: {what}",
            hint=f"log in again (`docker login {registry}`), or take the entry out"
            if registry
            else 'write it as JSON: {"auths": {"HOST": {"auth": "…"}}}',
        )


class ReadAuthFile(Protocol):
    """The signature of `read_auth_file`."""

    def __call__(self, path: Path, *, must_exist: bool) -> AuthFile:
        """Read a file of credentials."""


def remembering_pipes() -> ReadAuthFile:
    """Return a `read_auth_file` for one run: a pipe, as in `--authfile <(decrypt …)`, gives its content only once."""
    kept: dict[Path, AuthFile] = {}

    def read(path: Path, *, must_exist: bool) -> AuthFile:
        if path in kept:
            return kept[path]
        document = read_auth_file(path, must_exist=must_exist)
        if path.is_fifo():
            kept[path] = document
        return document

    return read


def read_auth_file(path: Path, *, must_exist: bool) -> AuthFile:
    """Read a file; without one the result is empty, unless it must exist. UsageError is raised if it can't be used."""
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise UsageError(
                f"there is no file of credentials {path}", hint="check `authfile` or REGISTRY_AUTH_FILE"
            ) from error
        return AuthFile(str(path), JsonObject())
    except OSError as error:
        raise UsageError(
            f"the file of credentials {path} can't be read: {error.strerror}",
            hint="let this user read the file, or name another by `authfile`",
        ) from error
    return parse_auth_file(data, str(path))


def parse_auth_file(data: bytes, name: str) -> AuthFile:
    """Parse the content of a file or variable called `name`. A UsageError shows the name, and never the content."""
    try:
        if len(data) > _LIMIT:
            raise ValueError(f"it has more than {_LIMIT} bytes")
        return AuthFile(name, parse_object(data))
    except ValueError:
        raise UsageError(
            f"{name} is not a file of credentials as docker login writes it",
            hint='write it as JSON: {"auths": {"HOST": {"auth": "…"}}}',
        ) from None  # The message of the cause may quote a secret.


def _is_entry(value: Any) -> bool:
    return isinstance(value, JsonObject) and any(map(value.holds, _IN_AN_ENTRY))


def _credentials(entry: Any) -> Credentials | None:
    """Return None for an empty entry: docker writes `{}` for a secret that a credential helper keeps.

    A token counts more than a password. ValueError shows nothing of the entry.
    """
    if entry is None:
        return None
    if not isinstance(entry, JsonObject):
        raise ValueError("it is not an object")  # noqa: TRY004 - bad data, not a bug
    try:
        auth, username, password, identity, bearer = map(entry.text, _IN_AN_ENTRY)
    except TypeError as error:
        raise ValueError(f"its {error}") from None
    if auth:
        username, password = _decoded(auth)
    if username == TOKEN_USER:
        username, password, identity = "", "", identity or password
    if bearer:
        return Credentials("", bearer, "bearer")
    if identity:
        return Credentials(username, identity, "identity")
    return Credentials(username, password) if username or password else None


def _decoded(auth: str) -> tuple[str, str]:
    try:
        # Go skips line breaks, with which base64(1) wraps what is long: https://pkg.go.dev/encoding/base64#Encoding.Decode
        data = base64.b64decode(auth.replace("\r", "").replace("\n", "").encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("its auth is not Base64") from None
    username, colon, password = data.decode(errors="surrogateescape").partition(":")
    if not colon:
        raise ValueError("its auth holds no colon between user and password; it may be encoded twice")
    return username, password.strip("\0")


def _normal_key(key: str) -> str:
    """Return a key such as `https://index.docker.io/v1/` or `host/namespace` with the host as references name it.

    A URL is for its whole host; empty for what is no key of credentials.
    """
    if "://" in key:
        path = key.partition("://")[2].partition("/")[2].strip("/")
        return "" if path in _TOKENS_OF_DOCKER else normal_registry(key)
    host, _, path = key.partition("/")
    path = path.strip("/")
    return normal_registry(host) + (f"/{path}" if path not in ("", "v1", "v2") else "")


def _spelling(place: str) -> Callable[[str], tuple[bool, bool]]:
    """Return the key to sort spellings of one place by: what tools write today comes before what they wrote once."""
    usual = (place, HUB_KEY) if place == DOCKER_HUB else (place,)
    return lambda key: (key not in usual, "://" in key)
