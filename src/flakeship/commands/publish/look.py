"""Step 1, look: the image is named, every destination is asked whether it may go there, and what is there already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.ci.platforms import shipped_folders
from flakeship.commands.naming import Naming, naming_of
from flakeship.commands.nix_facts import facts_before_build, facts_of_build
from flakeship.commands.publish.disk_space import check_room
from flakeship.commands.publish.lint import Lint
from flakeship.commands.publish.opening import checked_places, keeping_own_name, registries_of
from flakeship.commands.publish.request import Request
from flakeship.commands.publish.reuse import ExistingImages, existing_at
from flakeship.commands.run import Run
from flakeship.commands.tag_record import TagRecord
from flakeship.destinations.kind import Target
from flakeship.destinations.protocol import Destination, interrupt
from flakeship.errors import Error, UsageError
from flakeship.image.allocator import keep_freed_memory
from flakeship.image.compress import Compression
from flakeship.image.media_types import Family
from flakeship.image.pack import Packing
from flakeship.image.zstd_estimate import ZstdSample
from flakeship.metadata.context import NixFacts
from flakeship.outside.mounted import in_container
from flakeship.stores.existing import ExistingStore

if TYPE_CHECKING:
    from flakeship.commands.building.buildable import Buildable
    from flakeship.commands.publish.attaching.step import Attaching


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one image is called, where it goes and how it is packed: all that is known before it is built.

    `pushed_to` are the registries among the destinations of all images of the run. `keeping_own_name` are the destinations
    where an image keeps the name that it gives itself. `recipe` identifies how layers are packed. `by_digest` is True where
    the image gets no tag from this run, `relabelled` where it is labelled as for another platform than it says, and
    `stays_as_it_is` where it is given by its digest, so that nothing of it may be changed. `writes_into_sources` is True
    where Nix must not read the flake from the first layer on. `attaching` attaches what vouches for the image; it is None
    where nothing is asked for. `scope` is left when the image is finished or given up.
    """

    naming: Naming
    places: tuple[Destination, ...]
    pushed_to: frozenset[str]
    keeping_own_name: tuple[str, ...]
    existing: ExistingImages
    store: ExistingStore
    packing: Packing
    recipe: str
    uploads: int
    temporary: Path
    lint: Lint
    tags: TagRecord
    relabelled: bool
    scope: contextlib.ExitStack
    by_digest: bool = False
    stays_as_it_is: bool = False
    writes_into_sources: bool = False
    attaching: Attaching | None = None


@contextlib.contextmanager
def look(request: Request, run: Run) -> Iterator[Plan]:
    """Find out before the build whatever would stop the image after it.

    RejectedError where a second build would be compared with nothing. UsageError for a malformed name or destination;
    NotAllowedError, UnreachableError and ResourceError for one that can't be written to.
    """
    for each in request.subject.buildables if request.rebuild_to_compare else ():
        _check_comparable(each)
    naming = _named(request, run)
    wanted = _targets(request, naming)
    into_sources = _written_here(request, wanted, run)
    compression = request.packing.compression(only_loaded=only_loaded(wanted))
    with contextlib.ExitStack() as scope:
        with run.stage("check", f"checking {checked_places(wanted)}"):
            check_room(run.store.directory, wanted)
            places = request.destinations.open(wanted, scope)
            existing = existing_at(places, request.reuse.mode, run.emit)
        store = _store(request, run, existing, compression)
        plan = Plan(
            naming=naming,
            places=places,
            pushed_to=request.destinations.pushed_to(wanted),
            keeping_own_name=keeping_own_name(wanted, places),
            existing=existing,
            store=store,
            packing=_packing(request, run, wanted, compression, store),
            recipe=request.reuse.recipe(compression),
            uploads=request.packing.uploads,
            temporary=run.store.directory,
            lint=_lint(request, run),
            by_digest=request.by_digest,
            tags=run.runtime.tags,
            relabelled=request.choice.relabelled,
            stays_as_it_is=request.stays_as_it_is,
            scope=scope,
            writes_into_sources=into_sources,
            attaching=request.attaching,
        )
        try:
            yield plan
        except BaseException:
            interrupt(places)
            raise


def _targets(request: Request, naming: Naming) -> tuple[Target, ...]:
    wanted = request.destinations.targets(naming.references)
    if request.by_digest and not request.destinations.pushed_to(wanted):
        raise UsageError(
            "push-by-digest is given, and no registry to push to",
            hint="name the image with `images`, or by a reference such as ghcr.io/owner/name:tag",
        )
    return wanted


def _store(request: Request, run: Run, existing: ExistingImages, compression: Compression) -> ExistingStore:
    family = request.packing.family
    cached = request.layer_cache.in_front_of(
        run.store, compression, family, now=run.runtime.now.timestamp(), emit=run.emit
    )
    return existing.store(compression, family, cached)


def _packing(
    request: Request, run: Run, wanted: Sequence[Target], compression: Compression, store: ExistingStore
) -> Packing:
    family = request.packing.family
    return Packing(
        compression,
        family,
        store,
        run.runtime.cpus,
        run.emit,
        prepare=keep_freed_memory,
        sample=ZstdSample() if could_be_zstd(wanted, compression, family) else None,
    )


def _lint(request: Request, run: Run) -> Lint:
    buildable = request.subject.buildable
    why_depends = buildable.builder.why_depends if buildable else None
    return Lint(request.lint, run.emit, why_depends, run.runtime.spelled)


def _named(request: Request, run: Run) -> Naming:
    naming = naming_of(
        request.naming,
        emit=run.emit,
        nix=lambda: _facts(request, run),
        variant=request.variant,
    )
    buildable = request.subject.buildable
    request.created.check_commit(
        request.naming.context.committed, lambda: buildable.flake() if buildable else None
    )
    return naming


def _written_here(request: Request, wanted: Sequence[Target], run: Run) -> bool:
    """Whether this run writes into a folder that Nix copies whole; warns of that, and of what goes with a container."""
    environ = run.runtime.environ
    outputs = [*filter(None, (target.output for target in wanted)), *shipped_folders(environ)]
    cache = request.layer_cache.folder
    places = [*outputs, cache] if cache else outputs
    if not places or request.destinations.options.dry_run:
        return False
    if in_container(environ):
        from flakeship.commands.publish.volumes import warn_of_no_volume

        warn_of_no_volume(outputs, environ, run.emit)
    from flakeship.commands.publish.own_sources import warn_of_own_sources

    installables = (each.installable for each in request.subject.buildables)
    return warn_of_own_sources(installables, places, run.emit)


def registries_asked_for(request: Request, run: Run) -> frozenset[str]:
    """The registries that an image is to be pushed to, without a question to any of them. UsageError as `look`."""
    naming = naming_of(
        request.naming, emit=events.ignore, nix=lambda: _facts(request, run), variant=request.variant
    )
    return registries_of(request.destinations.targets(naming.references))


def _check_comparable(buildable: Buildable) -> None:
    """RejectedError where `rebuild: compare` would compare nothing, if that is known before the build."""
    from flakeship.nix.reproduce import check_comparable

    try:
        described = buildable.description()
    except Error:  # the build will say what is wrong, and better
        return
    if described.drv_path and not described.paths:
        check_comparable(buildable.builder.nix, described.drv_path, name=str(buildable))


def _facts(request: Request, run: Run) -> NixFacts:
    """What tags are made of. Where the hash is asked for and only a build can tell it, it is built now."""
    facts = facts_before_build(request.subject, run.runtime.cwd)
    buildable = request.subject.buildable
    if not (request.naming.inputs.needs_hash and facts.hash_unknown and buildable):
        return facts
    run.emit(events.Notice(f"{buildable} is built before anything else, for its hash: {facts.hash_unknown}"))
    with run.stage("build", f"building {buildable}"):
        run.emit(events.Notice(buildable.builder.ready()))
        return facts_of_build(buildable.builder.build_together(request.subject.buildables), facts)


def only_loaded(wanted: Sequence[Target]) -> bool:
    """True if the image goes to container engines of this machine alone, and is sent nowhere."""
    return all(target.unpacks_layers for target in wanted)


def could_be_zstd(wanted: Sequence[Target], compression: Compression, family: Family) -> bool:
    """True if layers are compressed with gzip, and every destination could have them in zstd for all that is known."""
    possible = "+zstd" in family.layers and not any(target.is_for_engines for target in wanted)
    return possible and compression.algorithm == "gzip"
