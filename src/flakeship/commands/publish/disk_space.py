"""Checks the free space of the disks before anything is built, and again when the sizes of the layers are known."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from flakeship.destinations.kind import Target
from flakeship.errors import ResourceError
from flakeship.image.model import Layer
from flakeship.stores.temporary import disk_full

LEAST: Final = 64 << 20
"""Bytes that a disk must have free before a build begins: no image worth a build needs less."""

_DENSEST: Final = 10
"""No layer of programs is packed more tightly than this, so it is refused only where it can't fit."""


def check_room(temporary: Path, targets: Sequence[Target]) -> None:
    """Raise ResourceError if the disk of the temporary folder or of a destination is nearly full."""
    if (free := _free(temporary)) is not None and free < LEAST:
        raise disk_full(temporary, free=free)
    for folder in filter(None, (target.folder for target in targets)):
        if (free := _free(folder)) is not None and free < LEAST:
            raise ResourceError(
                f"{folder} has no space for an image: {free / 1e6:,.1f} MB are free",
                hint="free some space, or name a folder on a larger disk",
            )


def check_fits(layers: Iterable[Layer], *, temporary: Path, compressed: bool) -> None:
    """Raise ResourceError if the largest of the layers to be packed can't fit into the temporary folder."""
    largest = max((layer.size or 0 for layer in layers if layer.compressed is None), default=0)
    # docs/decisions.md#disk-space-is-checked-twice
    needed = largest // _DENSEST if compressed else largest
    if (free := _free(temporary)) is not None and free < needed:
        raise disk_full(temporary, free=free, needed=needed)


def _free(folder: Path) -> int | None:
    """Return the bytes that may be written to a folder, which need not exist; None if the file system does not tell."""
    for place in (folder, *folder.parents):
        try:
            told = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return told.f_bavail * told.f_frsize if told.f_blocks else None
    return None
