"""Layers that were packed here before: found in a folder that outlives the run, kept there as long as it has room."""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from pathlib import Path
from typing import BinaryIO

from flakeship import events
from flakeship.errors import advice
from flakeship.image.annotations import LAYER_KEY
from flakeship.image.compress import RECIPE, Compression
from flakeship.image.media_types import Family
from flakeship.image.model import Descriptor, Layer, PackedLayer, VanishedError
from flakeship.image.pack import LayerStore
from flakeship.stores.cache_folder import CacheEntry, CacheFolder


class CachedLayers:
    """Finds what `folder` has and asks `behind` for the rest. A folder that fails is a warning, once, and no more used.

    `limit` is in bytes, `now` in seconds since 1970.
    """

    def __init__(
        self,
        folder: CacheFolder,
        behind: LayerStore,
        *,
        compression: Compression,
        family: Family,
        limit: int,
        now: float,
        emit: events.Emit = events.ignore,
    ) -> None:
        self.folder, self._behind = folder, behind
        self._compression, self._family = compression, family
        self._limit, self._now, self._emit = limit, now, emit
        self._recipe = f"{RECIPE}-{compression.algorithm}-{compression.level}"
        self._total: int | None = None
        self._lock = threading.Lock()
        self._failed = False

    def find(self, layer: Layer) -> PackedLayer | None:
        """Return the layer from the folder, else what the store behind finds."""
        found = None
        try:
            found = None if self._failed or layer.compressed else self._found(layer)
        except OSError as error:
            self._give_up(error)
        return found or self._behind.find(layer)

    def spool(self) -> contextlib.AbstractContextManager[tuple[BinaryIO, Path]]:
        """Open a new file in the store behind."""
        return self._behind.spool()

    def keep(self, layer: Layer, packed: PackedLayer, path: Path) -> None:
        """Keep the blob in the folder where it has room, and hand the layer on to the store behind."""
        if not self._failed and packed.descriptor.size <= self._limit:
            try:
                self._keep(layer, packed, path)
            except OSError as error:
                self._give_up(error)
        self._behind.keep(layer, packed, path)

    def _found(self, layer: Layer) -> PackedLayer | None:
        name = layer.diff_id or layer.named or layer.annotations.get(LAYER_KEY)
        entry = self.folder.entry(self._recipe, name) if name else None
        path = self.folder.blob(entry.digest, entry.size, now=self._now) if entry else None
        if entry is None or path is None:
            return None
        media_type = self._family.layers[self._compression.suffix]
        descriptor = Descriptor(media_type, entry.digest, entry.size, layer.annotations)
        return layer.packed(entry.diff_id, descriptor, open=partial(_opened, path))

    def _keep(self, layer: Layer, packed: PackedLayer, path: Path) -> None:
        size = packed.descriptor.size
        names = [packed.diff_id, layer.annotations.get(LAYER_KEY)]
        entries = [CacheEntry(name, packed.diff_id, packed.descriptor.digest, size) for name in names if name]
        with self._lock:
            if self._total is None:
                self.folder.sweep()
            if self._total is None or self._total + size > self._limit:
                self._total = self.folder.shrink(self._limit - size, now=self._now)
            if self._total + size > self._limit:
                return
            self.folder.add(self._recipe, entries, path, now=self._now)
            self._total += size

    def _give_up(self, error: OSError) -> None:
        with self._lock:
            told, self._failed = self._failed, True
        if not told:
            self._emit(
                events.Warned(
                    f"the layer cache {self.folder.path} can't be used: {error.strerror or error}",
                    hint=advice(error, "set `layer-cache` to a folder that can be written to, or to `off`")
                    + "; the run goes on without it",
                )
            )


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError as error:
        raise VanishedError(f"{path} was removed") from error
