"""Step 3, pack and send: each layer goes to every destination as soon as it is packed, and is dropped from the disk then."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from flakeship import events
from flakeship.commands.publish.disk_space import check_fits
from flakeship.commands.publish.look import Plan
from flakeship.commands.publish.parts import OpenParts, Part, layers_for, open_parts
from flakeship.destinations.protocol import (
    BlobsUnknownError,
    Destination,
    RunsImages,
    TakesIndexes,
    interrupt,
)
from flakeship.errors import UsageError
from flakeship.image.model import Digest, Layer, PackedLayer, SourceGoneError, VanishedError
from flakeship.image.pack import LayerStore, packed_layers, size_to_read
from flakeship.image.workers import workers

_AHEAD: Final = 2
"""Layers that may wait on disk beyond those being sent, so that an upload that ends finds the next one ready."""


Takes: TypeAlias = Callable[[Destination, str], bool]
"""Whether a destination is given the layer with this key."""


def _takes_all(_place: Destination, _key: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class SentLayers:
    """The layers by key, to seal images with. `missing` are blobs that a destination was believed to have and has not, or
    that were found on this machine and are gone.
    """

    layers: dict[str, PackedLayer]
    missing: frozenset[Digest]
    programs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The first program of layers that were read, as `lint.programs` has it; only where a platform was asked for, or
    a Mac's attribute built.
    """
    unsearched: frozenset[str] = frozenset()
    """The keys of the layers of which nobody knows whether they hold a program; only then, too."""


def pack_and_send(source: OpenParts, plan: Plan) -> SentLayers:
    """Pack every layer that a destination lacks, and send it while the next ones are packed."""
    takes = _takes(source, plan.places)
    far = any(part.obtained.place for part in source.parts)
    layers = _that_fit(source, plan)
    if plan.attaching and plan.attaching.bills:
        if plan.writes_into_sources:
            plan.attaching.bills.ask_now(source.parts)
        layers = plan.attaching.bills.watched(layers, far=far)
    layers = plan.lint.watched(layers)
    forward_only = source.forward_only
    if plan.lint.is_off or not any(part.platform or part.is_of_a_mac for part in source.parts):
        looking = _looking(plan, plan.lint.looking(plan.packing.store, forward_only=forward_only, far=far))
        return _packed_and_sent(layers, source, looking, takes, certain=True)
    from flakeship.lint.programs import Programs

    programs = Programs()
    looking = _looking(
        plan, plan.lint.looking(plan.packing.store, programs, forward_only=forward_only, far=far)
    )
    sent = _packed_and_sent(map(programs.watch, layers), source, looking, takes, certain=True)
    return replace(sent, programs=programs, unsearched=frozenset(sent.layers) - programs.searched)


def _looking(plan: Plan, store: LayerStore) -> Plan:
    return replace(plan, packing=replace(plan.packing, store=store))


def send_again(parts: Sequence[Part], keys: Collection[str], plan: Plan) -> dict[str, PackedLayer]:
    """Read the layers of these keys once more, and send them without asking whether they are there."""
    with open_parts(parts) as source:
        chosen = (layer for layer in source.layers() if layer.key in keys)
        takes = _takes(source, plan.places)
        return _packed_and_sent(chosen, source, plan, takes, certain=False).layers


def _packed_and_sent(
    layers: Iterable[Layer], source: OpenParts, plan: Plan, takes: Takes, *, certain: bool
) -> SentLayers:
    packed = packed_layers(layers, plan.packing, forward_only=source.forward_only)
    # an error of `send` would else leave the packing of further layers under way as long as the error is kept
    with contextlib.closing(packed):
        return send(
            packed, plan.places, uploads=plan.uploads, takes=takes, certain=certain, emit=plan.packing.emit
        )


def _that_fit(source: OpenParts, plan: Plan) -> Iterable[Layer]:
    """The layers. Where all are known before one is read, those that are to be made are known to fit on the disk.

    ResourceError for the largest that does not.
    """
    if source.forward_only:
        return source.layers()
    layers = tuple(source.layers())
    check_fits(
        (layer for layer in layers if not plan.store.expects(layer)),
        temporary=plan.temporary,
        compressed=plan.packing.compression.algorithm != "none",
    )
    plan.packing.emit(events.LayersAwaited(len(layers)))
    if None not in (sizes := [size_to_read(layer) for layer in layers]):
        plan.packing.emit(events.BytesAwaited("read", sum(size or 0 for size in sizes)))
    return layers


def _takes(source: OpenParts, places: Sequence[Destination]) -> Takes:
    """Which layers each destination takes: all, or of several platforms those of the one that it runs.

    UsageError where a destination takes one image, and there are several.
    """
    if not source.makes_index:
        return _takes_all
    own: dict[str, Callable[[str], bool]] = {}
    for place in places:
        if isinstance(place, TakesIndexes):
            continue
        if isinstance(place, RunsImages) and (len(source.parts) > 1 or not source.forward_only):
            own[place.name] = _layers_run_by(place, source)
            continue
        held = "several platforms" if source.forward_only else ", ".join(map(str, source.platforms()))
        raise UsageError(
            f"{place.name} takes one image, but the source holds one for each of {held}",
            hint="choose one with `platforms`",
        )
    return lambda place, key: place.name not in own or own[place.name](key)


def _layers_run_by(place: Destination, source: OpenParts) -> Callable[[str], bool]:
    assert isinstance(place, RunsImages)
    own = place.platform()
    if (chosen := layers_for(source, own)) is None:
        raise UsageError(
            f"{place.name} runs {own}, but what is published is for {', '.join(map(str, source.platforms()))}",
            hint="name its platform in `platforms` too, or leave the engine out",
        )
    return chosen


def send(
    layers: Iterable[PackedLayer],
    destinations: Sequence[Destination],
    *,
    uploads: int,
    takes: Takes = _takes_all,
    certain: bool = True,
    emit: events.Emit = events.ignore,
) -> SentLayers:
    """Hand over every layer to the destinations that take it; `certain` as in Destination.take. Each that is there is told.

    Of several uploads at a time, others are begun: a registry that is far away opens their sessions meanwhile, and lets
    in the bytes of `uploads` of them.
    """
    begun = uploads if uploads == 1 else uploads + _AHEAD
    sent: dict[str, PackedLayer] = {}
    missing: set[Digest] = set()
    try:
        with workers("send", begun) as pool:
            pending: set[Future[frozenset[Digest]]] = set()
            for layer in layers:
                sent[layer.key] = layer
                wanted = [each for each in destinations if takes(each, layer.key)]
                pending.add(pool.submit(_hand_over, layer, wanted, certain=certain, emit=emit))
                if len(pending) >= begun + _AHEAD:
                    pending = _settle(pending, missing)
            while pending:
                pending = _settle(pending, missing)
    except SourceGoneError:  # then another source is tried
        raise
    except BaseException:
        interrupt(destinations)  # now, for a script that is ended in the meantime may take seconds
        raise
    return SentLayers(sent, frozenset(missing))


def _hand_over(
    layer: PackedLayer, destinations: Sequence[Destination], *, certain: bool, emit: events.Emit
) -> frozenset[Digest]:
    """The blobs that could not be handed over: a destination was to have them already, or somebody removed them."""
    missing: frozenset[Digest] = frozenset()
    states: list[str] = []
    for destination in destinations:
        try:
            states.append(destination.take(layer, certain=certain).state)
        except BlobsUnknownError as error:
            missing |= error.digests
        except VanishedError:
            missing |= {layer.descriptor.digest}
    if not missing:
        names = tuple(destination.name for destination in destinations)
        emit(events.LayerDelivered(layer.descriptor.digest, layer.descriptor.size, tuple(states), names))
    layer.discard()
    return missing


def _settle(pending: set[Future[frozenset[Digest]]], missing: set[Digest]) -> set[Future[frozenset[Digest]]]:
    done, left = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        missing |= future.result()
    return left
