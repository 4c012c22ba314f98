"""What a source may ask for, made ready and not asked yet: only the kind that needs it pays for it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from flakeship import events
from flakeship.errors import BuildError
from flakeship.nix.closure import closure
from flakeship.obtain import Obtained, nix_of
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
        now=world.now,
        folder=folder,
        nar_hashes=functools.partial(_nar_hashes, obtained, settings, world, folder),
    )


def _nar_hashes(obtained: Obtained, settings: Settings, world: World, folder: Path) -> Mapping[str, str]:
    try:
        nix = obtained.nix or nix_of(settings, world, folder)
        return {each.path: each.nar_hash for each in closure(nix, str(obtained.path.resolve()))}
    except BuildError as error:
        world.emit(
            events.Detail(f"layers are known by the names of their store paths alone: {error.message}")
        )
        return {}
