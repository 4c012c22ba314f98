"""`nix why-depends`: the chain of references that leads from one store path to another."""

from __future__ import annotations

from typing import Final

from flakeship.nix.command import Nix
from flakeship.store_paths import store_paths_in

_SECONDS: Final = 10


def why_depends(nix: Nix, root: str, path: str) -> tuple[str, ...]:
    """Return the shortest chain of store paths from `root` to `path`, both included.

    It is empty if `root` does not need `path`, if Nix knows neither, or if it takes longer than ten seconds.
    """
    try:
        done = nix.run("why-depends", "--", root, path, timeout=_SECONDS)
    except TimeoutError:
        return ()
    return tuple(store_paths_in(done.stdout.decode(errors="replace"))) if done.returncode == 0 else ()
