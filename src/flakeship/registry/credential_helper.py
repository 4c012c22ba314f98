"""The protocol of docker's credential helpers: programs that keep the credentials of registries.

https://github.com/docker/docker-credential-helpers#development
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from flakeship.confinement import variables
from flakeship.errors import NotAllowedError, UsageError
from flakeship.printable import one_line
from flakeship.process import NotStartedError, run
from flakeship.registry.auth_file import TOKEN_USER
from flakeship.registry.credentials import Credentials
from flakeship.registry.reference import DOCKER_HUB

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_TIMEOUT: Final = 30.0


def ask_helper(name: str, registry: str, environ: Mapping[str, str]) -> Credentials | None:
    """Run `docker-credential-NAME get` for a registry, and return None if it keeps no credentials for it.

    NotAllowedError is raised if it fails otherwise, and UsageError if `name` is not a name.
    """
    program = f"docker-credential-{name}"
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:60]!r} is not the name of a credential helper",
            hint="Write credsStore and credHelpers without the prefix: `desktop` for docker-credential-desktop.",
        )
    server = "https://index.docker.io/v1/" if registry == DOCKER_HUB else registry
    hint = f"Try: echo {server} | {program} get; or give username and password."
    try:
        given = variables.of_helper(name).of(environ)
        done = run([program, "get"], environ=given, stdin=server.encode(), timeout=_TIMEOUT)
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
    return Credentials("", secret, "identity") if username == TOKEN_USER else Credentials(username, secret)
