"""The story: build, open, pack and deliver, stamp, seal, publish. It reads like the README's first paragraph."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from flakeship import sources
from flakeship.commands.event import context_of
from flakeship.commands.layer_cache import layer_cache
from flakeship.commands.naming import naming_of
from flakeship.commands.nix_facts import before_build, while_packing
from flakeship.commands.publish.created import check_commit, check_created, moment_of
from flakeship.commands.publish.disk_space import check_fits, check_room
from flakeship.commands.publish.lint import Lint
from flakeship.commands.publish.obtain import Obtained, builder_of, obtain
from flakeship.commands.publish.opening import destinations, nameless, transport
from flakeship.commands.publish.reuse import GoneError, already_built, existing_at, ready_made, recipe_of
from flakeship.commands.publish.shipping import OpenSource, Shipment, ship
from flakeship.commands.publish.source_request import source_request_of
from flakeship.commands.publish.stamping import Marks, changes_of, stamped
from flakeship.commands.runtime import Runtime
from flakeship.destinations.grammar import targets
from flakeship.destinations.kind import Target
from flakeship.destinations.protocol import Published
from flakeship.errors import UsageError
from flakeship.image.compress import DEFAULT_LEVEL, LEVELS, Algorithm, Compression
from flakeship.image.media_types import FAMILIES
from flakeship.image.model import Packed, PackedIndex
from flakeship.image.pack import Packing
from flakeship.metadata.context import Context
from flakeship.settings.declaration import Settings
from flakeship.stores.temporary import temporary_store


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made, and where it is now."""

    packed: Packed | PackedIndex
    published: tuple[Published, ...]
    obtained: Obtained


def publish(settings: Settings, runtime: Runtime, *, variant: str = "", tag: str = "") -> Result:
    """Build, stamp, and bring to every destination; `variant` ends the tags, `tag` is for layouts that are given none."""
    family = FAMILIES[settings.media_types]
    check_created(settings.created, runtime.environ)
    context, changed = context_of(settings, runtime), changes_of(settings, runtime.emit)
    with (
        temporary_store(runtime.temporary) as temporary,
        transport(settings, runtime) as session,
        contextlib.ExitStack() as scope,
    ):
        builder = builder_of(settings, runtime, temporary.directory)
        built = functools.partial(before_build, builder, runtime.cwd / settings.source)
        naming = naming_of(settings, context, runtime=runtime, nix=built, variant=variant)
        wanted = _wanted(settings, naming.references, runtime, tag)
        compression = compression_of(settings, wanted)
        check_commit(settings.created, builder, context)
        with runtime.stage("check", "checking the destinations"):
            check_room(temporary.directory, wanted)
            places = destinations(
                wanted, scope, session=session, settings=settings, runtime=runtime, context=context
            )
            known = existing_at(places, settings, runtime)
        recipe, lint = recipe_of(compression, settings), Lint(settings.lint, runtime.emit, builder)
        store = known.store(
            compression, family, layer_cache(settings, runtime, temporary, compression, family)
        )
        packing = Packing(
            compression, family, store, runtime.cpus, runtime.emit, verify=settings.verify != "off"
        )
        ready = ready_made(builder, known, settings, store, recipe=recipe, unnamed=nameless(wanted, places))

        def publish_from(opened: OpenSource, obtained: Obtained) -> Result:
            facts = scope.enter_context(while_packing(obtained, naming.metadata, runtime))
            marks = Marks(naming, facts, _moment(settings, runtime, obtained, context))
            finished = functools.partial(
                stamped, changed=changed, marks=marks, obtained=obtained, recipe=recipe
            )
            fits = functools.partial(
                check_fits, temporary=temporary.directory, compressed=compression.algorithm != "none"
            )
            with runtime.stage("publish", f"publishing {obtained.name}"):
                shipment = Shipment(
                    opened,
                    finished,
                    packing,
                    store,
                    places,
                    settings.max_concurrent_uploads or 1,
                    lint,
                    marks.of_index,
                    fits,
                    runtime.uninterrupted,
                )
                return Result(*ship(shipment), obtained)

        if ready and builder:
            with contextlib.suppress(GoneError):
                return publish_from(ready.opened, already_built(ready, builder, runtime))
        obtained = obtain(builder, settings, runtime, session, scope)
        request = source_request_of(obtained, settings, runtime, temporary.directory, previous=known.groups())
        return publish_from(functools.partial(sources.opened, obtained.path, request), obtained)


def _wanted(settings: Settings, references: Sequence[str], runtime: Runtime, tag: str) -> tuple[Target, ...]:
    return targets(to=settings.to, load=settings.load, references=references, cwd=runtime.cwd, tag=tag)


def compression_of(settings: Settings, wanted: Sequence[Target]) -> Compression:
    """UsageError for a level that the algorithm does not have, and for what the media types can't say.

    By itself it is gzip, and nothing for engines of this machine alone, which would have to undo it.
    """
    level = settings.compression_level
    loaded = level is None and all(target.unpacks_layers for target in wanted)
    chosen = {"auto": "none" if loaded else "gzip"}.get(settings.compression, settings.compression)
    algorithm = cast("Algorithm", chosen)
    levels = LEVELS[algorithm]
    if level is not None and level not in levels:
        raise UsageError(
            f"compression-level is {level}, but {algorithm} takes {levels[0]} to {levels[-1]}",
            hint="gzip stops at 2: its higher levels give other bytes on other CPUs. zstd packs tighter"
            if algorithm != "none"
            else "leave it out, or name a `compression`",
        )
    if settings.media_types == "docker" and algorithm == "zstd":
        raise UsageError(
            "docker's media types have no zstd", hint="use `media-types: oci`, or `compression: gzip`"
        )
    return Compression(algorithm, DEFAULT_LEVEL[algorithm] if level is None else level)


def _moment(settings: Settings, runtime: Runtime, obtained: Obtained, context: Context) -> datetime | None:
    committed = obtained.commit_time or context.committed
    return moment_of(
        settings.created, environ=runtime.environ, now=runtime.now, commit_time=lambda: committed
    )
