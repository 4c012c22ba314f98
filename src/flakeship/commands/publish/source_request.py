"""Prepare the request that opens a source. What needs Nix is a callable, so that only sources that use it pay for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.commands.publish.request import SourceChoice
from flakeship.commands.run import Run
from flakeship.errors import BuildError
from flakeship.sources.opened import SourceRequest
from flakeship.sources.store_files import LOCAL

if TYPE_CHECKING:
    from flakeship.commands.building.builder import Builder
    from flakeship.commands.publish.parts import Obtained
    from flakeship.sources.blobs import RegistryImage
    from flakeship.sources.package import Package


def source_request(
    obtained: Obtained,
    choice: SourceChoice,
    run: Run,
    *,
    base: RegistryImage | None,
    previous: tuple[frozenset[str], ...],
) -> SourceRequest:
    """Return the request that opens `obtained`.

    `base` is the image that a package is put on; `previous` are the store paths of each layer of the image that this
    one replaces, so that a package is split into the same layers.
    """
    runtime = run.runtime
    place = None if obtained.remote else obtained.place
    if place:
        place.closure(str(obtained.path))
    return SourceRequest(
        environ=runtime.environ,
        pass_env=choice.pass_env,
        emit=run.emit,
        package=functools.cache(functools.partial(_package, obtained, choice, run, previous)),
        remote=obtained.remote,
        base=base,
        image_in_archive=choice.image_in_archive or obtained.image,
        shown=obtained.shown,
        platforms=choice.platforms,
        relabelled=choice.relabelled,
        as_is=choice.as_is,
        now=runtime.now,
        folder=run.store.directory,
        confinement=lambda: run.confinement,
        files=place.files if place else LOCAL,
        nar_hashes=functools.partial(_nar_hashes, obtained.path, lambda: run.builder, run.emit),
    )


def _package(
    obtained: Obtained, choice: SourceChoice, run: Run, previous: tuple[frozenset[str], ...]
) -> Package:
    from flakeship.commands.publish.package_query import package_of

    return package_of(
        obtained,
        choice,
        builder=run.builder,
        folder=run.store.directory,
        cwd=run.runtime.cwd,
        previous=previous,
    )


def _nar_hashes(path: Path, builder: Callable[[], Builder], emit: events.Emit) -> Mapping[str, str]:
    try:
        nix = builder()
        name = str(path if nix.place_of(str(path)) else path.resolve())
        return {each.path: each.nar_hash for each in nix.closure(nix.nix, name)}
    except BuildError as error:
        emit(events.Detail(f"layers are known by the names of their store paths alone: {error.message}"))
        return {}
