"""What a source may ask for, made ready and not asked yet: only the kind that needs it pays for it."""

from __future__ import annotations

import functools
from pathlib import Path

from flakeship.obtain import Obtained
from flakeship.overriding import platform_of
from flakeship.settings import Settings
from flakeship.sources.opened import Circumstances
from flakeship.world import World


def circumstances_of(
    obtained: Obtained,
    settings: Settings,
    world: World,
    folder: Path,
    *,
    previous: tuple[frozenset[str], ...] = (),
) -> Circumstances:
    """`folder` is private and outlives the source; `previous` are the store paths of the published image's layers."""
    from flakeship.package import package_of

    package = functools.cache(
        functools.partial(package_of, obtained, settings, world, folder, previous=previous)
    )
    return Circumstances(
        world.environ,
        world.emit,
        package,
        remote=obtained.remote,
        base=obtained.base,
        image_in_archive=settings.image_in_archive,
        platform=platform_of(settings.platform) if settings.platform else None,
    )
