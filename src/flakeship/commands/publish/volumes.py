"""Warns of what would be written into a container alone, and go with it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from flakeship import events
from flakeship.outside.mounted import MOUNTS, in_container, on_no_volume


def warn_of_no_volume(
    places: Iterable[Path], environ: Mapping[str, str], emit: events.Emit, *, mounts: Path = MOUNTS
) -> None:
    """Warn of each file and folder that this container does not share with its host. Nothing outside of a container."""
    # docs/decisions.md#a-file-on-no-volume-is-warned-of
    if not in_container(environ):
        return
    try:
        told = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    for place in places:
        path = Path(os.path.realpath(place))
        if path.parts[:2] not in (("/", "dev"), ("/", "proc")) and on_no_volume(path, told):
            emit(
                events.Warned(
                    f"{place} is on no volume of this container, and goes with it",
                    hint="name a place in the folder that is mounted, or mount another: `docker run -v FOLDER:FOLDER …`",
                )
            )
