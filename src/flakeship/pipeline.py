"""The story: build, open, pack and deliver, stamp, seal, publish. It reads like the README's first paragraph."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from flakeship import sources
from flakeship.ci.platforms import detect
from flakeship.circumstances import circumstances_of
from flakeship.created import check_created, moment_of
from flakeship.delivery import deliver, finish
from flakeship.destinations import destinations, transport
from flakeship.errors import UsageError
from flakeship.image.compress import DEFAULT_LEVEL, LEVELS, Algorithm, Compression
from flakeship.image.media_types import FAMILIES
from flakeship.image.model import Packed, PackedLayer
from flakeship.image.pack import Packing, packed_layers, seal
from flakeship.metadata.context import Context
from flakeship.naming import naming_of
from flakeship.obtain import Obtained, builder_of, obtain
from flakeship.overriding import overrides_of
from flakeship.settings import Settings
from flakeship.sinks.delivery import Published
from flakeship.sources.opened import Opened
from flakeship.stamping import stamped
from flakeship.stores.temporary import temporary_store
from flakeship.targets import targets
from flakeship.world import World


@dataclass(frozen=True, slots=True)
class Result:
    """What a run made, and where it is now."""

    packed: Packed
    published: tuple[Published, ...]
    obtained: Obtained


def publish(settings: Settings, world: World) -> Result:
    """Build what `settings` name, stamp it, and bring it to every destination."""
    compression, family = compression_of(settings), FAMILIES[settings.media_types]
    check_created(settings.created, world.environ)
    context = detect(world.environ, cwd=str(world.cwd), now=world.now)
    naming, overrides = naming_of(settings, context), overrides_of(settings, world.emit)
    wanted = targets(to=settings.to, load=settings.load, references=naming.references, cwd=world.cwd)
    with (
        temporary_store(world.temporary) as store,
        transport(settings, world) as session,
        contextlib.ExitStack() as scope,
    ):
        builder = builder_of(settings, world, store.directory)
        with world.stage("check", "checking the destinations"):
            places = destinations(
                wanted, scope, session=session, settings=settings, world=world, context=context
            )
        obtained = obtain(builder, settings, world, session)
        packing = Packing(compression, family, store, world.cpus, world.emit)
        circumstances = circumstances_of(obtained, settings, world, store.directory)
        opened = functools.partial(sources.opened, obtained.path, circumstances)
        with world.stage("publish", f"publishing {obtained.path}"), opened() as source:
            layers = packed_layers(source.layers(), packing, forward_only=source.forward_only)
            delivered = deliver(layers, places, uploads=settings.max_concurrent_uploads or 1)
            moment = _moment(settings, world, obtained, context)
            image = stamped(
                source.image(), overrides, naming, obtained=obtained, compression=compression, moment=moment
            )
            packed = seal(image, delivered, family)
            read_again = functools.partial(_packed, opened, packing)
            published = tuple(finish(packed, place, read_again) for place in places)
    return Result(packed, published, obtained)


def compression_of(settings: Settings) -> Compression:
    """UsageError for a level that the algorithm does not have, and for what the media types can't say."""
    algorithm = cast("Algorithm", settings.compression)
    levels, level = LEVELS[algorithm], settings.compression_level
    if level is not None and level not in levels:
        raise UsageError(
            f"compression-level is {level}, but {algorithm} takes {levels[0]} to {levels[-1]}",
            hint="gzip stops at 2: its higher levels give other bytes on other CPUs. zstd packs tighter",
        )
    if settings.media_types == "docker" and algorithm == "zstd":
        raise UsageError(
            "docker's media types have no zstd", hint="use `media-types: oci`, or `compression: gzip`"
        )
    return Compression(algorithm, DEFAULT_LEVEL[algorithm] if level is None else level)


def _moment(settings: Settings, world: World, obtained: Obtained, context: Context) -> datetime | None:
    committed = obtained.commit_time or (context.commit_date if context.sha else None)
    return moment_of(settings.created, environ=world.environ, now=world.now, commit_time=lambda: committed)


def _packed(
    opened: Callable[[], contextlib.AbstractContextManager[Opened]], packing: Packing
) -> Iterator[PackedLayer]:
    """The layers once more, for a destination that lost some."""
    with opened() as source:
        yield from packed_layers(source.layers(), packing, forward_only=source.forward_only)
