"""Whether the Nix that substitutes, which may be a daemon elsewhere, can reach what listens on loopback here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

from flakeship.nix.command import Nix
from flakeship.nix.configuration import uses_daemon
from flakeship.nix.substituters import Substituters

_NOWHERE: Final = f"/nix/store/{'0' * 32}-is-this-cache-reached"
_SECONDS: Final = 3.0
"""A daemon that reaches us needs 0.05. One that does not tries five times, however many attempts its client allows."""


def may_reach_us(nix: Nix, values: Mapping[str, Any]) -> bool:
    """Return False if Nix substitutes on another machine for certain. `values` are those of `settings`."""
    if nix.store:
        return False
    store = nix.environ.get("NIX_REMOTE") or str(values.get("store", "auto"))
    return not uses_daemon(nix, values) or store in ("auto", "daemon") or store.startswith("unix://")


def ask_by_daemon(nix: Nix, url: str) -> None:
    """Let Nix's daemon ask the cache `url`, and no other, for a path that nobody has. It reaches the cache, or it does not.

    A socket does not tell where the daemon is: it may be mounted into a container that has a loopback of its own, or shares
    that of the machine.
    """
    asking = nix.with_substituters(Substituters({url: url}, replace=True))
    with contextlib.suppress(TimeoutError):
        asking.run("build", "--dry-run", "--no-link", _NOWHERE, timeout=_SECONDS)
