"""Binary caches around a build: each kind is a module that satisfies `Cache`, listed in CACHES."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flakeship.caches import cachix, substituters
from flakeship.caches.plan import Cache, CacheInputs, CachePlan, Fetch, Part, Tools
from flakeship.events import Emit, Warned
from flakeship.nix.command import Nix
from flakeship.nix.configuration import may_choose_substituters, settings

__all__ = ["CACHES", "CacheInputs", "CachePlan", "Fetch", "prepare"]

CACHES: Final[tuple[Cache, ...]] = (cachix, substituters)

# A cache that dies during the build may cost two attempts of three seconds; then Nix builds by itself.
_PATIENCE: Final = (
    ("connect-timeout", "4"),
    ("stalled-download-timeout", "3"),
    ("download-attempts", "2"),
    ("fallback", "true"),
)


def prepare(inputs: CacheInputs, *, nix: Nix, emit: Emit, fetch: Fetch, folder: Path) -> CachePlan:
    """Find out which caches answer, and what the build's command line must say to use them.

    `folder` is private and outlives the build. A cache that is down is a warning, after at most ten seconds.
    """
    tools = Tools(nix, emit, fetch, folder)
    parts = [cache.part(inputs, tools) for cache in CACHES]
    urls = [url for part in parts for url in part.substituters]
    if urls and not may_choose_substituters(nix):
        emit(
            Warned(
                "Nix's daemon ignores caches that a user chooses unless it trusts the user",
                hint="add the user to trusted-users, or the caches to trusted-substituters, in /etc/nix/nix.conf",
            )
        )
    return CachePlan(
        options=(*_options(urls, parts, nix=nix), *_netrc(parts, nix=nix, folder=folder)) if urls else (),
        watch=tuple(word for part in parts for word in part.watch),
        environ={name: value for part in parts for name, value in part.environ.items()},
    )


def _options(urls: Sequence[str], parts: Sequence[Part], *, nix: Nix) -> tuple[tuple[str, str], ...]:
    keys = [key for part in parts for key in part.public_keys]
    own = set(re.findall(r"^\s*([a-z0-9-]+)\s*=", nix.environ.get("NIX_CONFIG", ""), re.MULTILINE))
    return (
        ("extra-substituters", " ".join(urls)),
        *((("extra-trusted-public-keys", " ".join(keys)),) if keys else ()),
        *((name, value) for name, value in _PATIENCE if name not in own),
    )


def _netrc(parts: Sequence[Part], *, nix: Nix, folder: Path) -> tuple[tuple[str, str], ...]:
    """Nix reads the passwords of private caches from a file alone; what the user's file says stays true."""
    lines = "".join(part.netrc for part in parts)
    if not lines:
        return ()
    theirs = Path(str(settings(nix).get("netrc-file", "")))
    path = folder / "netrc"
    with open(path, "w", opener=_private, encoding="utf-8") as file:
        file.write(lines + (theirs.read_text(encoding="utf-8") if theirs.is_file() else ""))
    return (("netrc-file", str(path)),)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
