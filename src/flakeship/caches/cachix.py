"""Cachix: get a cache's public keys, read a private cache, and push what is built by Cachix's own client.

https://docs.cachix.org, https://github.com/cachix/cachix/blob/master/cachix-api/src/Cachix/API.hs
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from flakeship.caches.plan import PROBE_SECONDS, CacheInputs, CachePart, CacheTools
from flakeship.caches.probe import reason_of, unusable
from flakeship.errors import UsageError
from flakeship.events import Notice, Warned
from flakeship.nix.command import Nix
from flakeship.outside.reading import json_of

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SECRETS: Final = ("CACHIX_AUTH_TOKEN", "CACHIX_SIGNING_KEY")
_CLIENT_SECONDS: Final = 180.0
_SUBSTITUTE_ONLY: Final = (
    *("--max-jobs", "0", "--builders", ""),
    *("--option", "connect-timeout", "4", "--option", "download-attempts", "2"),
)


@contextlib.contextmanager
def opened(inputs: CacheInputs, tools: CacheTools) -> Iterator[CachePart]:
    """Yield the cache to pull from and, given a token or a key and Cachix's client, the command that pushes to it.

    Leaving the block does nothing: the client itself waits for its uploads when Nix has ended.
    """
    yield _part(inputs, tools)


def _part(inputs: CacheInputs, tools: CacheTools) -> CachePart:
    name = inputs.cachix
    if not name:
        return CachePart()
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"cachix: {name[:100]!r} is not the name of a cache", hint="write NAME of https://NAME.cachix.org"
        )
    url = f"https://{name}.cachix.org"
    try:
        cache = _describe(name, inputs, tools)
        down = unusable((url,), tools.fetch, token="" if cache["isPublic"] else inputs.cachix_auth_token)
        reason = down.get(url, "")
    except Exception as error:  # noqa: BLE001 - the build goes on without a cache, whatever its error is
        reason, cache = reason_of(error), {}
    if reason:
        tools.emit(Warned(f"the Cachix cache {name} is left out: {reason}", hint=_hint(inputs)))
        return CachePart()
    private = not cache["isPublic"]
    push = _watch(name, inputs, tools)
    return CachePart(
        substituters=(url,),
        public_keys=tuple(cache["publicSigningKeys"]),
        netrc=f"machine {name}.cachix.org password {inputs.cachix_auth_token}\n" if private else "",
        watch=push,
        environ=_environ(inputs) if push else {},
    )


def _describe(name: str, inputs: CacheInputs, tools: CacheTools) -> Any:
    """Fetch the description of a cache: a JSON object with `isPublic` and `publicSigningKeys`.

    The token goes to cachix.org only, which needs it to describe a private cache. ValueError for any other response.
    """
    answer = tools.fetch(
        f"https://cachix.org/api/v1/cache/{name}", PROBE_SECONDS, token=inputs.cachix_auth_token
    )
    cache = json_of(answer)
    if not isinstance(cache, dict) or not {"isPublic", "publicSigningKeys"} <= cache.keys():
        raise ValueError("cachix.org's answer does not describe a cache")
    return cache


def _hint(inputs: CacheInputs) -> str:
    missing = "" if inputs.cachix_auth_token else ", and set `cachix-auth-token` if the cache is private"
    return f"check the name{missing}; the build goes on without it"


def _watch(name: str, inputs: CacheInputs, tools: CacheTools) -> tuple[str, ...]:
    """Return the words of the client's command line that stand before `nix`; none if nothing is to be pushed.

    `env -u` removes the secrets again, so that neither Nix nor a flake's code can read them.
    """
    if not (inputs.cachix_auth_token or inputs.cachix_signing_key):
        tools.emit(
            Notice(
                f"the build reads from the Cachix cache {name} and pushes nothing to it: there is no token"
            )
        )
        return ()
    client = _client(tools.nix)
    if not client:
        tools.emit(
            Warned(
                f"nothing is pushed to the Cachix cache {name}: there is no cachix client, and Nix can't get one",
                hint="install it in a step before this one, or leave the token out",
            )
        )
        return ()
    without = (word for secret in _SECRETS for word in ("-u", secret))
    return (client, "watch-exec", name, "--", "env", *without)


def _client(nix: Nix) -> str:
    """Return the client in PATH, or the one of nixpkgs if a binary cache has it; empty if neither is there.

    It is never built from source, because that may take longer than the user's build.
    """
    if shutil.which("cachix", path=nix.environ.get("PATH", "")):
        return "cachix"
    try:
        result = nix.query(
            "build",
            *("--json", "--no-link", *_SUBSTITUTE_ONLY, "--", "nixpkgs#cachix"),
            timeout=_CLIENT_SECONDS,
        )
        paths = [Path(path) for entry in result for path in entry["outputs"].values()]
    except Exception:  # noqa: BLE001 - without a client the build goes on
        return ""
    return next((str(path / "bin/cachix") for path in paths if (path / "bin/cachix").exists()), "")


def _environ(inputs: CacheInputs) -> dict[str, str]:
    values = (inputs.cachix_auth_token, inputs.cachix_signing_key)
    return {name: value for name, value in zip(_SECRETS, values, strict=True) if value}
