"""The part of the declaration that is about the layer cache; `settings` holds the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flakeship.settings.fields import declared as _input

_BOTH: Final = ("publish", "layers")


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False, eq=False)
class CacheSettings:
    """Inputs that say where packed layers are kept, and how many."""

    layer_cache: str = _input(
        "path",
        "Folder that keeps packed layers for later runs, or `off`. Default: ~/.cache/flakeship, and off in CI",
        group=6,
        commands=_BOTH,
        per_platform={"gitlab": "off"},  # the component names it as a path of `cache:`, which must be one
    )
    layer_cache_size: int | None = _input(
        "number",
        "MB that it may hold; the layers used longest ago go first",
        group=6,
        default=5000,
        commands=_BOTH,
    )
    prune: bool = _input(
        "flag",
        "Remove what goes beyond `layer-cache-size`: with 0, all",
        group=6,
        default=False,
        commands=("layers",),
    )
