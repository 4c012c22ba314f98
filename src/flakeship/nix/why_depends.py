"""`nix why-depends`: the way on which one store path refers to another."""

from __future__ import annotations

from typing import Final

from flakeship.nix.command import Nix
from flakeship.store_paths import store_paths_in

_SECONDS: Final = 10


def way_to(nix: Nix, root: str, path: str) -> tuple[str, ...]:
    """The store paths from `root` to `path`, both included; empty where Nix knows of no such way."""
    try:
        done = nix.run("why-depends", "--", root, path, timeout=_SECONDS)
    except TimeoutError:
        return ()
    return tuple(store_paths_in(done.stdout.decode(errors="replace"))) if done.returncode == 0 else ()
