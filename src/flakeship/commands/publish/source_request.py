"""What a source may ask for, made ready and not asked yet: only the kind that needs it pays for it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.commands.publish.obtain import Obtained
from flakeship.commands.runtime import Runtime
from flakeship.errors import BuildError
from flakeship.image.model import Platform
from flakeship.settings.declaration import Settings
from flakeship.sources.opened import SourceRequest

if TYPE_CHECKING:
    from flakeship.sources.package import Package


def source_request_of(
    obtained: Obtained,
    settings: Settings,
    runtime: Runtime,
    folder: Path,
    *,
    previous: tuple[frozenset[str], ...] = (),
) -> SourceRequest:
    """`folder` is private and outlives the source; `previous` are the store paths of the published image's layers."""
    return SourceRequest(
        runtime.environ,
        runtime.emit,
        functools.cache(functools.partial(_package, obtained, settings, runtime, folder, previous)),
        remote=obtained.remote,
        base=obtained.base,
        image_in_archive=settings.image_in_archive,
        platform=_platform(settings),
        now=runtime.now,
        folder=folder,
        nar_hashes=functools.partial(_nar_hashes, obtained, settings, runtime, folder),
    )


def _platform(settings: Settings) -> Platform | None:
    if not settings.platform:
        return None
    from flakeship.commands.publish.overrides import platform_of

    return platform_of(settings.platform)


def _package(
    obtained: Obtained,
    settings: Settings,
    runtime: Runtime,
    folder: Path,
    previous: tuple[frozenset[str], ...],
) -> Package:
    from flakeship.commands.publish.package_query import package_of

    return package_of(obtained, settings, runtime, folder, previous=previous)


def _nar_hashes(obtained: Obtained, settings: Settings, runtime: Runtime, folder: Path) -> Mapping[str, str]:
    from flakeship.commands.publish.building import nix_of
    from flakeship.nix.closure import closure

    try:
        nix = obtained.nix or nix_of(settings, runtime, folder)
        return {each.path: each.nar_hash for each in closure(nix, str(obtained.path.resolve()))}
    except BuildError as error:
        runtime.emit(
            events.Detail(f"layers are known by the names of their store paths alone: {error.message}")
        )
        return {}
