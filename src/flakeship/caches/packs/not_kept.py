"""Why not all of a build is kept in a cache, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from flakeship.errors import Error, ResourceError, is_disk_full

LATE: Final = "leave it: the next run sends what this one could not"

_FULL: Final = re.compile(r"quota|storage limit|insufficient storage|was answered 507", re.IGNORECASE)
"""How registries say that there is no room, most of them with 403: https://docs.gitlab.com/user/storage_usage_quotas/."""

_LESS: Final = (
    "free space in the registry, by `flakeship cache prune` too; keep less by a smaller `size` of `nix-cache`"
)

_IMMUTABLE: Final = re.compile(r"immutable|already exists|overwrit", re.IGNORECASE)
"""How registries say that a tag keeps what it names."""

_MUTABLE: Final = (
    "let tags of that repository be overwritten: a cache has one for each branch, which moves with each run"
)

_HINTS: Final = ((_FULL, _LESS), (_IMMUTABLE, _MUTABLE))


def hint_for(error: Error) -> str:
    """Return what to do about an error that ended the keeping: what a cache needs, else what the error says itself."""
    known = next((hint for pattern, hint in _HINTS if pattern.search(error.message)), "")
    return known or error.hint or error.usual_hint or "run again later: what is missing is built again"


def told(error: Exception, folder: Path) -> Error:
    """Return an error that can be told: of the folder for temporary files where it is the system's."""
    if isinstance(error, Error):
        return error
    if not isinstance(error, OSError):
        return ResourceError(f"{type(error).__name__}: {error}", hint=LATE)
    why = "no space left" if is_disk_full(error) else error.strerror or str(error)
    return ResourceError(
        f"{why} in {folder}", hint="free some space, or set TMPDIR to a folder on a larger disk"
    )
