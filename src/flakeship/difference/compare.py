"""The comparison of two images of one platform."""

from __future__ import annotations

from collections.abc import Iterable

from flakeship.difference.configs import config_changes
from flakeship.difference.model import Bytes, Difference, Held, HeldLayer, LayerChange, total_of
from flakeship.difference.packages import package_changes


def difference(old: Held, new: Held) -> Difference:
    """Compare packages, layers and config."""
    blobs = by_blob(old.layers, new.layers)
    before, after = layers_by(old.layers, blobs=blobs), layers_by(new.layers, blobs=blobs)
    both = before.keys() & after.keys()
    stacks = [
        [key for key in (key_of(layer, blobs=blobs) for layer in held.layers) if key in both]
        for held in (old, new)
    ]
    alone = [layer for side in (before, after) for key, layer in side.items() if key not in both]
    return Difference(
        old,
        new,
        package_changes(old, new),
        layer_change(old.layers, new.layers),
        config_changes(old, new),
        reordered=stacks[0] != stacks[1],
        untold=sum(not layer.told for layer in alone),
    )


def by_blob(old: Iterable[HeldLayer], new: Iterable[HeldLayer]) -> bool:
    """Whether layers are told apart by their blobs; else by their tars, for one of the images has no blobs.

    One tar in two compressions is two blobs, and whoever has one of them must pull the other.
    """
    return all(layer.digest for layers in (old, new) for layer in layers)


def layers_by(layers: Iterable[HeldLayer], *, blobs: bool) -> dict[str, HeldLayer]:
    """Return the layers by what tells them apart, each once."""
    return {key_of(layer, blobs=blobs): layer for layer in layers}


def key_of(layer: HeldLayer, *, blobs: bool) -> str:
    """What tells a layer from others."""
    return layer.digest if blobs else layer.diff_id or layer.digest


def layer_change(old: tuple[HeldLayer, ...], new: tuple[HeldLayer, ...]) -> LayerChange:
    """Compare the layers, whatever their order."""
    blobs = by_blob(old, new)
    before, after = layers_by(old, blobs=blobs), layers_by(new, blobs=blobs)
    return LayerChange(
        _bytes(layer for key, layer in after.items() if key not in before),
        _bytes(layer for key, layer in after.items() if key in before),
        _bytes(layer for key, layer in before.items() if key not in after),
    )


def _bytes(layers: Iterable[HeldLayer]) -> Bytes:
    found = list(layers)
    return Bytes(
        len(found), total_of(layer.size for layer in found), total_of(layer.unpacked for layer in found)
    )
