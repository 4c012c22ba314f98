"""The inputs `substituters` and `trusted-public-keys`: binary caches that Nix reads by itself."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from flakeship.caches.plan import CacheInputs, CachePart, CacheTools
from flakeship.caches.probe import unusable_by_nix
from flakeship.caches.through import users_netrc
from flakeship.errors import UsageError
from flakeship.events import Warned

_URL: Final = re.compile(r"(?:https?|s3|file|ssh|ssh-ng)://\S+|/\S+")
_PUBLIC_KEY: Final = re.compile(r"[^\s:]+:[A-Za-z0-9+/]{43}=")
_TRUSTED: Final = re.compile(r"[?&]trusted=(?:1|true)(?:&|$)")
_PASSWORD: Final = re.compile(r"://[^/@]*:[^/@]*@")


@contextlib.contextmanager
def opened(inputs: CacheInputs, tools: CacheTools) -> Iterator[CachePart]:
    """Yield those caches of the input `substituters` that answer; leaving the block does nothing."""
    for url in inputs.substituters:
        _check_url(url)
    for key in inputs.trusted_public_keys:
        if not _PUBLIC_KEY.fullmatch(key):
            raise UsageError(
                f"trusted-public-keys: {key[:100]!r} is not a public key of a cache",
                hint="write NAME:BASE64 as the page of the cache shows it, such as cache.example.org-1:…=",
            )
    if not inputs.trusted_public_keys and any(not _TRUSTED.search(url) for url in inputs.substituters):
        tools.emit(
            Warned(
                "`substituters` is given without `trusted-public-keys`: Nix takes nothing from a cache whose key it does not know",
                hint="set `trusted-public-keys` to the key of the cache, unless nix.conf has it",
            )
        )
    down = _down(inputs.substituters, tools)
    for url, reason in down.items():
        tools.emit(
            Warned(
                f"the cache {url} is left out: {reason}",
                hint="check the address; the build goes on without this cache",
            )
        )
    yield CachePart(
        substituters=tuple(url for url in inputs.substituters if url not in down),
        public_keys=inputs.trusted_public_keys,
    )


def _down(urls: Sequence[str], tools: CacheTools) -> Mapping[str, str]:
    """Return why a cache can't be used, by its URL. One that wants a password, and gets one from Nix's netrc, may be."""

    def netrc() -> str:
        return users_netrc(str(tools.settings().get("netrc-file", "")), tools) or ""

    return unusable_by_nix(urls, tools.fetch, netrc)


def _check_url(url: str) -> None:
    if _PASSWORD.search(url):
        raise UsageError(
            "substituters: a URL holds a password, and other users of this machine can read Nix's command line",
            hint="write the password into a netrc file, and name that file by `nix-config: netrc-file = FILE`",
        )
    if not _URL.fullmatch(url):
        raise UsageError(
            f"substituters: {url[:200]!r} is not the URL of a cache",
            hint="write a URL such as https://cache.example.org",
        )
