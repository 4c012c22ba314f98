"""How Nix is told to use caches: through the loopback server where it can reach that, else as they are.

docs/decisions.md#a-cache-is-asked-through-a-guard
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship.caches.plan import CachePart, CacheTools, OwnNars
from flakeship.events import Detail, Secret
from flakeship.nix.command import Nix
from flakeship.nix.substituters import Substituters

if TYPE_CHECKING:  # a daemon may be out of the server's reach, and a cache may be a folder
    from flakeship.caches.loopback.server import Loopback
    from flakeship.caches.loopback.upstream import Limits

_BY_HTTP: Final = re.compile(r"https?://[^/@\s]+(?:/\S*)?")
_RELEASE: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_FIXED: Final = {(2, 18): 9, (2, 20): 9}
_ALL_FIXED: Final = (2, 24)


def survives_fallback(nix: Nix) -> bool:
    """Return True unless this Nix aborts where a cache fails while the setting `fallback` is on.

    https://github.com/NixOS/nix/issues/11511
    """
    found = _RELEASE.search(nix.release)
    patch = int(found[3]) if found else 0
    return nix.version >= _ALL_FIXED or patch >= _FIXED.get(nix.version, patch + 1)


@dataclass(frozen=True, slots=True)
class UsedCache:
    """A cache that Nix asks by itself: its URL with Nix's parameters, and lines of netrc that are for it alone."""

    url: str
    netrc: str = ""


def as_they_are(caches: Sequence[UsedCache]) -> Substituters:
    """Let Nix ask these caches besides those of nix.conf, and none of ours."""
    return Substituters({cache.url: _address(cache.url) for cache in caches})


def caches_of(parts: Sequence[CachePart]) -> list[UsedCache]:
    """Return the caches that Nix can ask by itself."""
    return [UsedCache(url, part.netrc) for part in parts for url in part.substituters]


def can_be_guarded(caches: Sequence[UsedCache]) -> bool:
    """Whether one of them is asked by HTTP."""
    return any(_BY_HTTP.fullmatch(cache.url) for cache in caches)


def through_loopback(
    caches: Sequence[UsedCache],
    own: Sequence[OwnNars],
    tools: CacheTools,
    *,
    netrc: str,
    replace: bool,
    limits: Limits | None = None,
    scope: contextlib.ExitStack,
) -> Substituters:
    """Start the server, which ends with `scope`, and let Nix ask through it what is asked by HTTP.

    `netrc` is the text of the file that Nix is configured with; `replace` as in `Substituters`.
    """
    from flakeship.caches.loopback.served import OwnCache
    from flakeship.caches.loopback.server import Loopback

    server = Loopback()
    scope.callback(server.close)
    tools.emit(Secret(server.secret))
    names = {}
    for number, each in enumerate(own):
        url = server.serve(number, OwnCache(each.cache))
        names[url if each.signed else f"{url}?trusted=1"] = each.cache.name
    guards = _Guards(server, tools, netrc, limits, first=max(1, len(own)))
    names |= {guards.url_of(cache): _address(cache.url) for cache in caches}
    return Substituters(names, replace=replace)


def _address(url: str) -> str:
    """Return the URL of a cache without Nix's parameters: so Nix's messages call it."""
    return url.partition("?")[0]


class _Guards:
    """Puts caches behind the server, with one budget for all."""

    def __init__(
        self, server: Loopback, tools: CacheTools, netrc: str, limits: Limits | None, *, first: int
    ) -> None:
        from flakeship.caches.loopback.budget import Budget
        from flakeship.caches.loopback.upstream import Limits as UsualLimits

        self._server, self._tools, self._netrc, self._next = server, tools, netrc, first
        self._limits = limits or UsualLimits()
        self._whole = not survives_fallback(tools.nix)  # a file that breaks off fails the build of such a Nix
        self._budget = Budget(self._limits.budget, time.monotonic)

    def url_of(self, cache: UsedCache) -> str:
        """Return the URL that Nix is given for a cache: its own, if it is not asked by HTTP."""
        from flakeship.caches.loopback.credentials import HostCredentials
        from flakeship.caches.loopback.guard import Guard
        from flakeship.caches.loopback.patience import Patience
        from flakeship.caches.loopback.upstream import Upstream

        if not _BY_HTTP.fullmatch(cache.url):
            return cache.url
        address, mark, parameters = cache.url.partition("?")
        patience = Patience(address, budget=self._budget, now=time.monotonic, emit=self._tools.emit)
        credentials = HostCredentials.of((cache.netrc, self._netrc))
        upstream = Upstream(address.rstrip("/"), self._tools.transport, credentials, self._limits)
        number, self._next = self._next, self._next + 1
        return (
            self._server.serve(number, Guard(upstream, patience, self._tools.folder, whole=self._whole))
            + mark
            + parameters
        )


def users_netrc(path: str, tools: CacheTools) -> str | None:
    """Return the text of the netrc file that Nix is configured with; None, and a detail, if only others may read it."""
    from flakeship.caches.loopback.credentials import text_of

    text = text_of(Path(path)) if path else ""
    if text is None:
        tools.emit(Detail(f"{path} can't be read, so that Nix asks its caches by itself"))
    return text
