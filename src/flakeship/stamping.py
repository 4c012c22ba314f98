"""From inputs to calls of image.stamp: which labels, which date, which annotations of our own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from flakeship.image import stamp
from flakeship.image.model import Image
from flakeship.image.override import Overrides, overridden
from flakeship.naming import Naming
from flakeship.obtain import Obtained
from flakeship.reuse import DERIVATION, RECIPE_OF, SOURCE

_CREATED: Final = "org.opencontainers.image.created"
_STORE: Final = "/nix/store/"


def stamped(
    source: Image,
    *,
    overrides: Overrides,
    naming: Naming,
    obtained: Obtained,
    recipe: str,
    moment: datetime | None,
) -> Image:
    """The image with overrides, labels, date and annotations, and the record of what it was before."""
    image = overridden(source, overrides)
    dated = stamp.with_created(image, moment)
    created = str(dated.config.get("created", ""))
    labels = naming.labels
    marked = stamp.with_labels(
        dated,
        user=labels.user,
        override=_dated(labels.known, created),
        fill={**labels.flake, **labels.described},
    )
    marked = stamp.with_record(marked, source)
    return stamp.with_annotations(
        marked, {**_origin(obtained, recipe), **_annotations(naming, image, created)}
    )


def index_annotations(naming: Naming) -> dict[str, str]:
    """Those that the user wants on the index, where there is one."""
    return {note.key: note.value for note in naming.annotations if "index" in note.levels}


def _annotations(naming: Naming, image: Image, created: str) -> dict[str, str]:
    """Those of the manifest's level and for the image's platform; what the user wrote is as they wrote it."""
    automatic = {**naming.labels.known, **naming.labels.described}
    chosen = {
        note.key: note.value
        for note in naming.annotations
        if "manifest" in note.levels and note.platform in {None, str(image.platform)}
    }
    return {key: value for key, value in chosen.items() if automatic.get(key) != value} | _dated(
        {key: value for key, value in chosen.items() if automatic.get(key) == value}, created
    )


def _dated(values: Mapping[str, str], created: str) -> dict[str, str]:
    """The label `created` says what the config says, not when the run began."""
    if _CREATED not in values:
        return dict(values)
    rest = {key: value for key, value in values.items() if key != _CREATED}
    return rest | {_CREATED: created} if created else rest


def _origin(obtained: Obtained, recipe: str) -> dict[str, str]:
    known = {
        SOURCE: str(obtained.path) if str(obtained.path).startswith(_STORE) else "",
        DERIVATION: obtained.output.drv_path if obtained.output else "",
        RECIPE_OF: recipe,
    }
    return {key: value for key, value in known.items() if value}
