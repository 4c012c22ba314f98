"""The caches of a run as sources of NARs, in the order in which Nix asks them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs

from flakeship.caches.folder_cache import FolderCache, folder_of
from flakeship.caches.loopback.served import OwnCache, Served
from flakeship.caches.nar_source import NarSource
from flakeship.caches.plan import OwnNars
from flakeship.caches.through import Guards, UsedCache

_PRIORITY: Final = re.compile(rb"^Priority:[ \t]*(\d{1,8})[ \t]*$", re.MULTILINE)
_LAST: Final = 50
"""The priority of a cache that states none."""


def sources_of(caches: Sequence[UsedCache], own: Sequence[OwnNars], guards: Guards) -> list[NarSource]:
    """Return them by their priority, the lowest first, and otherwise ours before those of `caches`.

    A cache that is neither asked by HTTP nor a folder is left out: a path that only it has counts as missing.
    """
    found: list[tuple[NarSource, dict[str, str]]] = [
        (
            NarSource(
                each.cache.name, OwnCache(each.cache), not each.signed, each.cache.use, each.cache.lose
            ),
            {},
        )
        for each in own
    ]
    for cache in caches:
        address, _, query = cache.url.partition("?")
        parameters = {name: values[-1] for name, values in parse_qs(query).items()}
        served = _served(cache, address, guards)
        if served:
            trusted = parameters.get("trusted") in ("1", "true")
            found.append((NarSource(address, served, trusted), parameters))
    found.sort(key=lambda each: _priority(each[0].served, each[1].get("priority", "")))
    return [source for source, _ in found]


def _served(cache: UsedCache, address: str, guards: Guards) -> Served | None:
    folder = folder_of(address)
    return FolderCache(folder) if folder else guards.of(cache)


def _priority(served: Served, stated: str) -> int:
    if stated.isascii() and stated.isdigit():
        return int(stated[:8])
    try:
        said = _PRIORITY.search(served.info())
    except Exception:  # noqa: BLE001 - a cache that fails is asked as one that says nothing
        said = None
    return int(said[1]) if said else _LAST
