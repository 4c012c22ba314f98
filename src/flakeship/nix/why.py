"""`nix why-depends`: the way on which one store path refers to another."""

from __future__ import annotations

import re
from typing import Final

from flakeship.nix.command import Nix

_STORE_PATH: Final = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]+")
_SECONDS: Final = 10


def way_to(nix: Nix, root: str, path: str) -> tuple[str, ...]:
    """The store paths from `root` to `path`, both included; empty where Nix knows of no such way."""
    try:
        done = nix.run("why-depends", "--", root, path, timeout=_SECONDS)
    except TimeoutError:
        return ()
    return tuple(_STORE_PATH.findall(done.stdout.decode(errors="replace"))) if done.returncode == 0 else ()
