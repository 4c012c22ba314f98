"""Binary caches for the build. Each kind of cache is a module that satisfies `Cache`, listed in CACHES."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from flakeship.caches.plan import Cache, CacheInputs, CachePart, CachePlan, CacheTools, OwnNars
from flakeship.caches.through import (
    Guards,
    Unreached,
    UsedCache,
    as_they_are,
    caches_of,
    reached,
    survives_fallback,
    through_loopback,
    users_netrc,
)
from flakeship.events import Detail, Warned
from flakeship.nix.command import Nix
from flakeship.nix.configuration import may_choose_substituters
from flakeship.nix.reach import may_reach_us
from flakeship.nix.substituters import Substituters

if TYPE_CHECKING:  # most runs let Nix realise all
    from flakeship.caches.substitutes import Substitutes

__all__ = ["CACHES", "CacheInputs", "CachePlan", "CacheTools", "opened"]

CACHES: Final = ("flakeship.caches.cachix", "flakeship.caches.substituters", "flakeship.caches.nix_cache")
"""The modules of all kinds of cache, in the order in which they are opened."""

_ALWAYS_ALLOWS: Final = (2, 19)
"""The first Nix with `always-allow-substitutes`."""


@contextlib.contextmanager
def opened(inputs: CacheInputs, tools: CacheTools) -> Iterator[CachePlan]:
    """Open the caches that the inputs name, and yield what the build needs in order to use them.

    The block has to last until Nix has built everything: only then are the caches closed, also if the build failed.
    A cache that is down costs ten seconds at most and becomes a warning. Raises UsageError for a malformed input.
    """
    if inputs == CacheInputs():
        yield CachePlan()
        return
    # docs/decisions.md#a-cache-is-open-around-the-builds
    with contextlib.ExitStack() as scope:
        caches = (cast("Cache", importlib.import_module(name)) for name in CACHES)
        parts = [scope.enter_context(cache.opened(inputs, tools)) for cache in caches]
        cancelled = True
        try:
            yield _plan(parts, tools, scope)
            cancelled = False
        except Exception:
            cancelled = False
            raise
        finally:  # all of them push what is left at the same time
            for part in parts:
                if part.ended:
                    part.ended(cancelled=cancelled)


def _plan(parts: Sequence[CachePart], tools: CacheTools, scope: contextlib.ExitStack) -> CachePlan:
    plan = CachePlan(
        built=tuple(part.built for part in parts if part.built),
        all_built=tuple(part.all_built for part in parts if part.all_built),
        heard=tuple(part.heard for part in parts if part.heard),
    )
    if not any(part.substituters or part.own for part in parts):
        return plan
    keys = [key for part in parts for key in part.public_keys]
    trusted = (("extra-trusted-public-keys", " ".join(keys)),) if keys else ()
    substituters, options, substitutes = _used(parts, tools, scope)
    return replace(
        plan,
        substituters=substituters,
        options=(*trusted, *_not_set(options, tools.nix)),
        substitutes=substitutes,
    )


def _used(
    parts: Sequence[CachePart], tools: CacheTools, scope: contextlib.ExitStack
) -> tuple[Substituters, Mapping[str, str], Callable[[], Substitutes] | None]:
    """Return how Nix gets at the caches, the settings that go with that, and what a reader of ours gets from the same caches."""
    nix, values = tools.nix, tools.settings()
    caches, own = caches_of(parts), [part.own for part in parts if part.own]
    chooses = may_choose_substituters(nix, known=values)
    if not chooses and (caches or (own := _with_paths(own))):
        tools.emit(_ignored(own, caches))
    # Without `fallback` one failure of a cache of nix.conf ends the build of such a Nix, and with it Nix itself.
    replaces = not survives_fallback(nix)
    configured = [UsedCache(url) for url in values.get("substituters", ())]
    if replaces:
        caches = [*configured, *caches]
    usual = _settings(nix, chooses=chooses)
    netrc = users_netrc(str(values.get("netrc-file", "")), tools)
    guards, substitutes = Guards(tools, netrc, scope) if netrc is not None else None, None
    if guards and chooses and may_reach_us(nix, values):
        every = caches if replaces else [*configured, *caches]
        keys = [key for part in parts for key in part.public_keys]
        substitutes = functools.partial(_substitutes, every, own, keys, guards, values)
    if chooses and (own or (guards and any(map(guards.can_guard, caches)))):
        server = reached(nix, values, tools.emit)
        if not isinstance(server, Unreached):
            scope.callback(server.close)
            used = through_loopback(server, caches, own, guards, replace=replaces)
            written = {} if guards else _netrc(parts, "", folder=tools.folder)
            return used, {**usual, **_silence(nix, own), **written}, substitutes
        tools.emit(_unreached(server, _with_paths(own)))
        substitutes = None
    for part in parts:
        if part.unread:
            part.unread()
    written = _netrc(parts, netrc or "", folder=tools.folder)
    return as_they_are(caches_of(parts)), {**usual, **_UNGUARDED, **written}, substitutes


def _with_paths(own: Sequence[OwnNars]) -> list[OwnNars]:
    """Return those that Nix lacks where it can't read them. Elsewhere nobody waits until that is known."""
    return [each for each in own if each.has_paths()]


def _substitutes(
    caches: Sequence[UsedCache],
    own: Sequence[OwnNars],
    keys: Sequence[str],
    guards: Guards,
    values: Mapping[str, Any],
) -> Substitutes:
    """Return what Nix would take from these caches. One that is neither asked by HTTP nor a folder is left out."""
    from flakeship.caches.nar_sources import sources_of
    from flakeship.caches.substitutes import Substitutes

    if values.get("substitute") is False:
        return Substitutes((), ())
    trusted = [*values.get("trusted-public-keys", ()), *keys]
    return Substitutes(sources_of(caches, own, guards), trusted if values.get("require-sigs", True) else None)


def _ignored(own: Sequence[OwnNars], caches: Sequence[UsedCache]) -> Warned:
    """Warn of the caches that a daemon ignores. nix.conf can't name our own, whose address is new each time: its user must be trusted."""
    also = "" if own else ", or the caches to trusted-substituters,"
    kept = f"; what is built is kept in {own[0].cache.name} all the same" if own else ""
    which = f", such as {own[0].cache.name}," if own and not caches else ""
    return Warned(
        f"Nix's daemon ignores caches that a user chooses{which} unless it trusts the user",
        hint=f"add the user to trusted-users{also} in /etc/nix/nix.conf{kept}",
    )


def _unreached(server: Unreached, own: Sequence[OwnNars]) -> Warned | Detail:
    """Say that nothing comes from our own cache. Others are asked by Nix itself, which lacks nothing but their guard."""
    if not own:
        return Detail(f"Nix asks its caches by itself: {server.why}")
    return Warned(
        f"Nix takes nothing from {own[0].cache.name}: {server.why}",
        hint=f"{server.hint}; what is built is kept all the same",
    )


_UNGUARDED: Final = {"stalled-download-timeout": "3", "download-attempts": "2"}
"""A cache that dies during the build costs two attempts of three seconds at most; then Nix builds by itself."""


def _settings(nix: Nix, *, chooses: bool) -> dict[str, str]:
    falls_back = {"fallback": "true"} if survives_fallback(nix) else {}
    allows = {"always-allow-substitutes": "true"} if chooses and nix.version >= _ALWAYS_ALLOWS else {}
    return {"connect-timeout": "4", **falls_back, **allows}


def _silence(nix: Nix, own: Sequence[OwnNars]) -> dict[str, str]:
    """Return the settings for how long Nix waits for a silent cache. Ours may have to fetch a whole pack first."""
    if not survives_fallback(nix):
        return {}  # nothing is asked besides the server, which is silent for no longer than it has to be
    return (
        {"stalled-download-timeout": "60"}
        if own
        else {"stalled-download-timeout": "5", "download-attempts": "2"}
    )


def _not_set(options: Mapping[str, str], nix: Nix) -> list[tuple[str, str]]:
    """Return the settings that the user's NIX_CONFIG leaves to us."""
    own = set(re.findall(r"^\s*([a-z0-9-]+)\s*=", nix.environ.get("NIX_CONFIG", ""), re.MULTILINE))
    return [(name, value) for name, value in options.items() if name == "netrc-file" or name not in own]


def _netrc(parts: Sequence[CachePart], users: str, *, folder: Path) -> dict[str, str]:
    """Write the passwords of private caches to a file, since Nix reads them from nowhere else.

    There is one such file, so the lines of the file that the user configured are copied to its end.
    """
    lines = "".join(part.netrc for part in parts)
    if not lines:
        return {}
    path = folder / "netrc"
    with open(path, "w", opener=_private, encoding="utf-8") as file:
        file.write(lines + users)
    return {"netrc-file": str(path)}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
