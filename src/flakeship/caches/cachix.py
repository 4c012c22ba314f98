"""Cachix: get a cache's public keys, read a private cache, and have Cachix's own client push what is built.

https://docs.cachix.org, https://github.com/cachix/cachix/blob/master/cachix-api/src/Cachix/API.hs
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flakeship.caches.plan import PROBE_SECONDS, CacheInputs, CachePart, CacheTools
from flakeship.caches.probe import reason_of, unusable
from flakeship.errors import UsageError
from flakeship.events import Notice, Warned
from flakeship.nix.command import Nix
from flakeship.outside.reading import json_of

if TYPE_CHECKING:  # most runs only read
    from flakeship.caches.cachix_push import CachixPush, Choose

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SECRETS: Final = ("CACHIX_AUTH_TOKEN", "CACHIX_SIGNING_KEY")
_CLIENT_SECONDS: Final = 180.0
_SUBSTITUTE_ONLY: Final = (
    *("--max-jobs", "0", "--builders", ""),
    *("--option", "connect-timeout", "4", "--option", "download-attempts", "2"),
)


@contextlib.contextmanager
def opened(inputs: CacheInputs, tools: CacheTools) -> Iterator[CachePart]:
    """Yield the cache to pull from and, given a token or a key and Cachix's client, what pushes to it.

    Leaving the block waits until that is done, or its time is over.
    """
    part, push = _opened(inputs, tools)
    try:
        yield part
    finally:
        if push:
            push.close()


def _opened(inputs: CacheInputs, tools: CacheTools) -> tuple[CachePart, CachixPush | None]:
    name = inputs.cachix
    if not name:
        return CachePart(), None
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
        return CachePart(), None
    private = not cache["isPublic"]
    push = _push(cache, inputs, tools)
    part = CachePart(
        substituters=(url,),
        public_keys=tuple(cache["publicSigningKeys"]),
        netrc=f"machine {name}.cachix.org password {inputs.cachix_auth_token}\n" if private else "",
    )
    if push:
        part = replace(part, heard=push.heard, built=push.built, ended=push.ended)
    return part, push


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


def _push(cache: Any, inputs: CacheInputs, tools: CacheTools) -> CachixPush | None:
    """Return what pushes to the cache. If nothing is to be pushed, report why, and return None."""
    name = inputs.cachix
    if not (inputs.cachix_auth_token or inputs.cachix_signing_key):
        tools.emit(
            Notice(
                f"the build reads from the Cachix cache {name} and pushes nothing to it: there is no token"
            )
        )
        return None
    client = _client(tools.nix)
    if not client:
        tools.emit(
            Warned(
                f"nothing is pushed to the Cachix cache {name}: there is no cachix client, and Nix can't get one",
                hint="install it in a step before this one, or leave the token out",
            )
        )
        return None
    from flakeship.caches.cachix_push import CachixPush

    # only the client sees the secrets: neither Nix nor a flake's code can read them
    environ = {**tools.nix.environ, **_secrets(inputs)}
    return CachixPush(client, name, environ, _choice(cache, inputs, tools), tools.emit)


def _choice(cache: Any, inputs: CacheInputs, tools: CacheTools) -> Choose:
    """Return what chooses the paths to push: what the run built, and its closure, less what any cache of the run has signed."""
    from flakeship.caches.private_inputs import PrivateInputs
    from flakeship.caches.pushed import to_push

    keys = (*cache["publicSigningKeys"], *inputs.trusted_public_keys)
    configured = tools.settings().get("trusted-public-keys", ())
    upstream = {str(key).partition(":")[0] for key in (*keys, *configured)}
    private = PrivateInputs(
        tools.nix,
        inputs.flakes,
        inputs.cwd,
        name=f"the Cachix cache {inputs.cachix}",
        is_public=lambda: bool(cache["isPublic"]),
        emit=tools.emit,
        hint="make the cache private, or name another one",
    )

    def chosen(derivations: Collection[str], results: Collection[str]) -> Iterable[str]:
        found = to_push(
            tools.nix,
            derivations,
            results,
            upstream=upstream,
            from_elsewhere=(),
            held=lambda parts: (),  # the client asks the service for all of a list at once
            fetched_too=False,
        )
        return [each.path for each in private.permitted(list(found))]

    return chosen


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


def _secrets(inputs: CacheInputs) -> dict[str, str]:
    values = (inputs.cachix_auth_token, inputs.cachix_signing_key)
    return {name: value for name, value in zip(_SECRETS, values, strict=True) if value}
