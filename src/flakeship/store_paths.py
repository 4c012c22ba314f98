"""The form of a store path, `/nix/store/HASH-NAME`: the one place that knows how it is spelled.

https://nix.dev/manual/nix/latest/store/store-path. The hash is 160 bits in Nix's own base 32, which has no e, o, t, u.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

STORE: Final = "/nix/store/"

_BASE_NAME: Final = r"(?P<hash>[0-9a-df-np-sv-z]{32})-(?P<name>[0-9A-Za-z+._?=-]+)"
_STORE_PATH: Final = re.compile(STORE + _BASE_NAME)
_MOST_LINKS: Final = 40
_LAST_PART: Final = re.compile(rf".*/{_BASE_NAME}", re.DOTALL)


def store_paths_in(text: str) -> list[str]:
    """Return every store path that `text` names, in its order and as often as it does; what follows a name is left out."""
    return [found[0] for found in _STORE_PATH.finditer(text)]


def store_path_of(path: str) -> str:
    """Return the store path that a file lies in; empty for a file outside the store."""
    found = _STORE_PATH.match(path)
    return found[0] if found else ""


def whole_store_path(path: Path) -> str:
    """Return the last store path that `path` leads to by symbolic links and is all of; empty if it leads to no store path.

    `result` → `/nix/store/A` → `/nix/store/B/bin/x` is all of A, and lies in B.
    """
    found, place = "", path.absolute()
    for _ in range(_MOST_LINKS):
        place = place.parent.resolve() / place.name
        found = str(place) if _STORE_PATH.fullmatch(str(place)) else found
        if not place.is_symlink():
            break
        place = place.parent / place.readlink()
    return found


def hash_of(path: str) -> str:
    """Return the 32 letters of a whole store path; empty for anything else."""
    found = _STORE_PATH.fullmatch(path)
    return found["hash"] if found else ""


def name_of(path: str) -> str:
    """Return `openssl-3.0.8` of `/nix/store/HASH-openssl-3.0.8`, of a store elsewhere too; other text comes back as it is."""
    found = _LAST_PART.fullmatch(path)
    return found["name"] if found else path


def name_of_derivation(path: str) -> str:
    """Return `hello-2.12` of `/nix/store/HASH-hello-2.12.drv`."""
    return name_of(path).removesuffix(".drv")
