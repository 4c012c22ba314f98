"""Binary caches for the build. Each kind of cache is a module that satisfies `Cache`, listed in CACHES."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, cast

from flakeship.caches.plan import Cache, CacheInputs, CachePart, CachePlan, CacheTools
from flakeship.events import Warned
from flakeship.nix.command import Nix
from flakeship.nix.configuration import may_choose_substituters, settings

__all__ = ["CACHES", "CacheInputs", "CachePlan", "CacheTools", "opened"]

CACHES: Final = ("flakeship.caches.cachix", "flakeship.caches.substituters")
"""The modules of all kinds of cache, in the order in which they are opened."""

_PATIENCE: Final = (
    ("connect-timeout", "4"),
    ("stalled-download-timeout", "3"),
    ("download-attempts", "2"),
    ("fallback", "true"),
)
"""A cache that dies during the build costs two attempts of three seconds at most; then Nix builds by itself."""


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
        yield _plan([scope.enter_context(cache.opened(inputs, tools)) for cache in caches], tools)


def _plan(parts: Sequence[CachePart], tools: CacheTools) -> CachePlan:
    nix = tools.nix
    urls = [url for part in parts for url in part.substituters]
    if urls and not may_choose_substituters(nix):
        tools.emit(
            Warned(
                "Nix's daemon ignores caches that a user chooses unless it trusts the user",
                hint="add the user to trusted-users, or the caches to trusted-substituters, in /etc/nix/nix.conf",
            )
        )
    return CachePlan(
        options=(*_options(urls, parts, nix=nix), *_netrc(parts, nix=nix, folder=tools.folder))
        if urls
        else (),
        watch=tuple(word for part in parts for word in part.watch),
        environ={name: value for part in parts for name, value in part.environ.items()},
        built=tuple(part.built for part in parts if part.built),
    )


def _options(urls: Sequence[str], parts: Sequence[CachePart], *, nix: Nix) -> tuple[tuple[str, str], ...]:
    keys = [key for part in parts for key in part.public_keys]
    own = set(re.findall(r"^\s*([a-z0-9-]+)\s*=", nix.environ.get("NIX_CONFIG", ""), re.MULTILINE))
    return (
        ("extra-substituters", " ".join(urls)),
        *((("extra-trusted-public-keys", " ".join(keys)),) if keys else ()),
        *((name, value) for name, value in _PATIENCE if name not in own),
    )


def _netrc(parts: Sequence[CachePart], *, nix: Nix, folder: Path) -> tuple[tuple[str, str], ...]:
    """Write the passwords of private caches to a file, since Nix reads them from nowhere else.

    There is one such file, so the lines of the file that the user configured are copied to its end.
    """
    lines = "".join(part.netrc for part in parts)
    if not lines:
        return ()
    users = Path(str(settings(nix).get("netrc-file", "")))
    path = folder / "netrc"
    with open(path, "w", opener=_private, encoding="utf-8") as file:
        file.write(lines + (users.read_text(encoding="utf-8") if users.is_file() else ""))
    return (("netrc-file", str(path)),)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
