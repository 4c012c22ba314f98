"""Runs that pack layers with a cache, and tell what they read of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from flakeship import events
from flakeship.image.annotations import LAYER_KEY
from flakeship.image.compress import Compression
from flakeship.image.media_types import OCI, Family
from flakeship.image.model import Layer, PackedLayer, digest_of
from flakeship.image.pack import Packing, packed_layers
from flakeship.stores.cache import CachedLayers
from flakeship.stores.cache_folder import CacheFolder
from flakeship.stores.temporary import temporary_store
from tests.image.making import compression

NOW = 1_800_000_000.0


class Outcome:
    """What a run packed, what it read, and what it said."""

    def __init__(self) -> None:
        self.layers: dict[str, PackedLayer] = {}
        self.blobs: dict[str, bytes] = {}
        self.read: list[str] = []
        self.said: list[events.Warned] = []

    def emit(self, event: events.Event) -> None:
        if isinstance(event, events.Warned):
            self.said.append(event)


def layer(name: str, *, size: int = 5000, known: bool = True, key: str = "") -> tuple[str, bytes, Layer]:
    data = (name.encode() * size)[:size]
    return (
        name,
        data,
        Layer(
            name,
            lambda: io.BytesIO(data),
            digest_of(data) if known else None,
            annotations={LAYER_KEY: key} if key else {},
        ),
    )


def run(
    folder: Path,
    *wanted: tuple[str, bytes, Layer],
    limit: int = 1_000_000,
    now: float = NOW,
    how: Compression = compression("none"),  # noqa: B008  a frozen value
    family: Family = OCI,
) -> Outcome:
    """Pack these layers as a run does, with the cache in `folder`."""
    outcome = Outcome()

    def watched(one: Layer) -> Layer:
        def opened() -> Any:
            outcome.read.append(one.key)
            return one.open()

        return Layer(one.key, opened, one.diff_id, annotations=one.annotations)

    with temporary_store(None) as temporary:
        store = CachedLayers(
            CacheFolder(folder),
            temporary,
            compression=how,
            family=family,
            limit=limit,
            now=now,
            emit=outcome.emit,
        )
        packing = Packing(how, family, store, 2)
        for packed in packed_layers([watched(one) for *_, one in wanted], packing, forward_only=False):
            assert packed.open is not None
            with packed.open() as file:
                outcome.blobs[packed.key] = file.read()
            assert digest_of(outcome.blobs[packed.key]) == packed.descriptor.digest
            assert len(outcome.blobs[packed.key]) == packed.descriptor.size
            packed.discard()
            outcome.layers[packed.key] = packed
        outcome.read.sort()
        assert not list(temporary.directory.iterdir())
    return outcome


def blobs(folder: Path) -> list[Path]:
    return sorted((folder / "v1/blobs").iterdir())
