"""From inputs to calls of image.stamp: which labels, which date, which annotations of our own."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from flakeship.image import stamp
from flakeship.image.compress import RECIPE, Compression
from flakeship.image.model import Image
from flakeship.naming import Naming
from flakeship.obtain import Obtained

SOURCE: Final = "dev.flakeship.source"
"""Manifest annotation: the store path that the image was made from."""

DERIVATION: Final = "dev.flakeship.derivation"
RECIPE_OF: Final = "dev.flakeship.recipe"

_CREATED: Final = "org.opencontainers.image.created"
_STORE: Final = "/nix/store/"


def stamped(
    image: Image, naming: Naming, obtained: Obtained, compression: Compression, moment: datetime | None
) -> Image:
    """The image with its labels, date and annotations, and the record of what it was before."""
    override = dict(naming.override)
    if moment and _CREATED in override:
        override[_CREATED] = stamp.rfc3339(moment)
    marked = stamp.with_labels(image, user=naming.labels, override=override, fill=naming.fill)
    marked = stamp.with_created(marked, moment)
    marked = stamp.with_record(marked, image)
    return stamp.with_annotations(marked, {**_origin(obtained, compression), **naming.annotations})


def _origin(obtained: Obtained, compression: Compression) -> dict[str, str]:
    known = {
        SOURCE: str(obtained.path) if str(obtained.path).startswith(_STORE) else "",
        DERIVATION: obtained.output.drv_path if obtained.output else "",
        RECIPE_OF: f"{RECIPE}/{compression.algorithm}/{compression.level}",
    }
    return {key: value for key, value in known.items() if value}
