"""How Nix is told to use caches: through the loopback server where it can reach that, else as they are.

docs/decisions.md#a-cache-is-asked-through-a-guard
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flakeship.caches.plan import CachePart, CacheTools, OwnNars
from flakeship.events import Detail, Emit, Secret
from flakeship.nix.command import Nix
from flakeship.nix.configuration import uses_daemon
from flakeship.nix.reach import ask_by_daemon, may_reach_us
from flakeship.nix.substituters import Substituters

if TYPE_CHECKING:  # a daemon may be out of the server's reach, and a cache may be a folder
    from flakeship.caches.loopback.budget import Budget
    from flakeship.caches.loopback.served import Served
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


@dataclass(frozen=True, slots=True)
class Unreached:
    """Why Nix reaches no server of ours, in a clause, and what would help."""

    why: str
    hint: str


_ELSEWHERE: Final = Unreached(
    "its daemon can't reach what runs here",
    "run where the daemon runs, or in a container that shares its network",
)
_NO_LOOPBACK: Final = Unreached(
    "connections to 127.0.0.1 do not arrive here",
    "bring the loopback device of this machine or container up, and let no firewall rule lead 127.0.0.1 elsewhere",
)


def as_they_are(caches: Sequence[UsedCache]) -> Substituters:
    """Let Nix ask these caches besides those of nix.conf, and none of ours."""
    return Substituters({cache.url: _address(cache.url) for cache in caches})


def caches_of(parts: Sequence[CachePart]) -> list[UsedCache]:
    """Return the caches that Nix can ask by itself."""
    return [UsedCache(url, part.netrc) for part in parts for url in part.substituters]


def reached(nix: Nix, values: Mapping[str, Any], emit: Emit) -> Loopback | Unreached:
    """Start the server, if the Nix that substitutes reaches it; else say in a clause why not, and what would help.

    `values` are those of `settings`.
    """
    from flakeship.caches.loopback.server import Loopback

    if not may_reach_us(nix, values):
        return _ELSEWHERE
    try:
        server = Loopback()
    except OSError:  # a container may lack the address too
        return _NO_LOOPBACK
    emit(Secret(server.secret))
    if not server.is_reached():
        server.close()
        return _NO_LOOPBACK
    if uses_daemon(nix, values):
        before = server.asked
        ask_by_daemon(nix, f"{server.url}/-")
        if server.asked == before:
            server.close()
            return _ELSEWHERE
    return server


def through_loopback(
    server: Loopback,
    caches: Sequence[UsedCache],
    own: Sequence[OwnNars],
    guards: Guards | None,
    *,
    replace: bool,
) -> Substituters:
    """Let Nix ask through the server what is asked by HTTP; without `guards` our own caches alone. `replace` as in `Substituters`."""
    from flakeship.caches.loopback.served import OwnCache

    names, numbers = {}, itertools.count()
    for each in own:
        url = server.serve(next(numbers), OwnCache(each.cache, reads_ahead=True))
        names[url if each.signed else f"{url}?trusted=1"] = each.cache.name
    numbers = itertools.count(max(1, len(own)))
    for cache in caches:
        guard, mark, parameters = guards.of(cache) if guards else None, *cache.url.partition("?")[1:]
        url = server.serve(next(numbers), guard) + mark + parameters if guard else cache.url
        names[url] = _address(cache.url)
    return Substituters(names, replace=replace)


def _address(url: str) -> str:
    """Return the URL of a cache without Nix's parameters: so Nix's messages call it."""
    return url.partition("?")[0]


class Guards:
    """The guards of the caches that are asked by HTTP, one for each, with one budget for all.

    Folders are guarded too where Nix ends over a file that is damaged. `netrc` is the text of the file that Nix is configured
    with. They end with `scope`.
    """

    def __init__(self, tools: CacheTools, netrc: str, scope: contextlib.ExitStack) -> None:
        self._tools, self._netrc, self._scope = tools, netrc, scope
        self._survives = survives_fallback(tools.nix)
        self._made: dict[str, Served] = {}

    def can_guard(self, cache: UsedCache) -> bool:
        """Whether `of` has one for it."""
        return bool(_BY_HTTP.fullmatch(cache.url)) or (
            not self._survives and cache.url.startswith("file:///")
        )

    @cached_property
    def _budget(self) -> tuple[Budget, Limits]:
        from flakeship.caches.loopback.budget import Budget
        from flakeship.caches.loopback.upstream import Limits

        limits = Limits()
        return Budget(limits.budget, time.monotonic), limits

    def of(self, cache: UsedCache) -> Served | None:
        """Return the guard of a cache; None if it needs none, or is asked in a way that only Nix knows."""
        if not self.can_guard(cache):
            return None
        address = _address(cache.url)
        if address not in self._made:
            self._made[address] = self._new(address, cache.netrc)
            self._scope.callback(self._made[address].close)
        return self._made[address]

    def _new(self, address: str, netrc: str) -> Served:
        from flakeship.caches.folder_cache import FolderCache, folder_of
        from flakeship.caches.loopback.credentials import HostCredentials
        from flakeship.caches.loopback.guard import Guard
        from flakeship.caches.loopback.patience import Patience
        from flakeship.caches.loopback.upstream import Upstream

        tools, (budget, limits) = self._tools, self._budget
        patience = Patience(address, budget=budget, now=time.monotonic, emit=tools.emit)
        folder = folder_of(address)
        if folder:
            return FolderCache(folder, fault=patience.fault)
        credentials = HostCredentials.of((netrc, self._netrc))
        upstream = Upstream(address.rstrip("/"), tools.transport, credentials, limits)
        # a file that breaks off fails the build of a Nix that does not survive it
        return Guard(upstream, patience, tools.folder, whole=not self._survives)


def users_netrc(path: str, tools: CacheTools) -> str | None:
    """Return the text of the netrc file that Nix is configured with; None, and a detail, if only others may read it."""
    from flakeship.caches.loopback.credentials import text_of

    text = text_of(Path(path)) if path else ""
    if text is None:
        tools.emit(Detail(f"{path} can't be read, so that Nix asks its caches by itself"))
    return text
