"""Loads an image into an engine through its API, layer by layer as they arrive, without those that the engine has."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import BinaryIO, Literal, Self

from flakeship import events
from flakeship.destinations.archive.tar import ImageArchive
from flakeship.destinations.image_name import ImageName
from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob, Prepared, Published, Tagging
from flakeship.engines.api import EngineApi
from flakeship.engines.engine import Engine
from flakeship.engines.failure import explained
from flakeship.engines.load import Load
from flakeship.errors import Error, RejectedError, UnreachableError
from flakeship.image.model import Digest, Packed, PackedLayer, Platform


class EngineDestination:
    """One engine and the names that an image gets there; without any it keeps its own. To be used as a context manager."""

    def __init__(
        self, engine: Engine, names: tuple[ImageName, ...] = (), *, emit: events.Emit = events.ignore
    ) -> None:
        self._engine, self._names, self._emit = engine, names, emit
        self._connection: EngineApi | None = None
        self._loading: tuple[Load, ImageArchive] | None = None
        self._classic = False
        self._known: frozenset[str] = frozenset()
        """diff_ids of layers that the engine has in some image."""
        self._kept_open: dict[Digest, tuple[PackedLayer, BinaryIO]] = {}
        self._delivered: dict[Digest, DeliveredBlob] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The scheme of the engine: `docker-daemon`, `containers-storage`."""
        return self._engine.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the image if it is not complete: an archive names its layers last, so that the engine has no part of it."""
        self._close_kept()
        self._abandon_load()
        if self._connection:
            self._connection.close()

    def check(self) -> None:
        """Connect, and ask which layers the engine has. UnreachableError if no engine answers."""
        self._connection = EngineApi(self._engine)
        self._classic = self._api.has_classic_store()
        if self._classic:
            self._known = frozenset(layer for layers in self._api.images() for layer in layers)
        self._api.wait_for_loads()

    @property
    def _api(self) -> EngineApi:
        assert self._connection, "check() comes first"
        return self._connection

    def platform(self) -> Platform:
        """The platform of the engine, which may run on another machine than this one."""
        return Platform.of(*self._api.platform())

    def loses_annotations(self) -> bool:
        """True for docker's classic image store, which keeps the config and the layers; containerd's keeps the manifest too."""
        return self._classic

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Send the layer, or keep it open if the engine may have it. BlobsUnknownError if it can't be opened."""
        digest = layer.descriptor.digest
        if layer.open is None:
            raise BlobsUnknownError(frozenset({digest}))
        # docs/decisions.md#layers-an-engine-has-are-held-back
        if certain and layer.diff_id in self._known:
            # Whether the engine can do without depends on the layers below, which are known in the end:
            # the blob is kept at hand until then.
            with self._lock:
                if digest not in self._kept_open:
                    self._kept_open[digest] = layer, layer.open()
            return self._note(layer, "reused")
        self._send(lambda archive: archive.add_layer(layer))
        return self._note(layer, "written")

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        """Send all layers. The engine writes the names by itself, all at once, when it has read the end of the archive."""
        spared = self._send_needed(packed)
        names = self._names or tuple(map(ImageName.of, packed.image.names))
        references = tuple(f"{self.name}:{name}" for name in names or (packed.config_descriptor.digest,))

        def published() -> Published:
            self._check_loaded(packed, names)
            return self._published(packed, references[0])

        ending = functools.partial(self._end, packed, names, spared)
        return Prepared(((Tagging(references, ending),),), published)

    def _end(self, packed: Packed, names: Sequence[ImageName], spared: frozenset[Digest]) -> None:
        try:
            self._send(lambda archive: archive.finish(packed, names=names, layout=not spared, docker=True))
            self._finish_load()
        except Error as error:
            if not spared:
                raise
            # The engine lost what it had a moment ago; everything is sent once more.
            self._start_again()
            raise BlobsUnknownError(frozenset(layer.descriptor.digest for layer in packed.layers)) from error

    def _note(self, layer: PackedLayer, state: Literal["reused", "written"]) -> DeliveredBlob:
        digest, size = layer.descriptor.digest, layer.descriptor.size
        self._delivered[digest] = delivered = DeliveredBlob(digest, size, state)
        self._emit(events.LayerProgress(layer.name, state, size, digest, self.name))
        return delivered

    def _send_needed(self, packed: Packed) -> frozenset[Digest]:
        """Send layers that were kept back and are needed after all; return the digests of those that need not be sent."""
        wanted = [layer.diff_id for layer in packed.layers]
        there = 0
        if self._kept_open:
            there = max((_shared(wanted, layers) for layers in self._api.images()), default=0)
        spared = {layer.descriptor.digest for layer in packed.layers[:there]} & set(self._kept_open)
        needed = {layer.descriptor.digest for layer in packed.layers[there:]}
        for digest in needed & set(self._kept_open):
            layer, reader = self._kept_open[digest]
            self._send(functools.partial(_add, layer, reader))
            self._note(layer, "written")
        self._close_kept()
        return frozenset(spared - needed)

    def _send(self, write: Callable[[ImageArchive], None]) -> None:
        with self._lock:
            if self._loading is None:
                load = self._api.load()
                self._loading = load, ImageArchive(load.archive)
            load, archive = self._loading
        try:
            write(archive)
        except BrokenPipeError:
            with explained(self._engine):
                load.finish()
            raise UnreachableError(
                f"{self.name} stopped reading the image before its end",
                hint="read the engine's log, and run again",
            ) from None

    def _finish_load(self) -> None:
        assert self._loading
        (load, _), self._loading = self._loading, None
        with explained(self._engine):
            load.finish()

    def _abandon_load(self) -> None:
        if self._loading:
            self._loading[0].abandon()
            self._loading = None

    def _start_again(self) -> None:
        self._known, self._delivered = frozenset(), {}
        self._abandon_load()

    def _close_kept(self) -> None:
        while self._kept_open:
            _, (_, reader) = self._kept_open.popitem()
            reader.close()

    def _check_loaded(self, packed: Packed, names: Sequence[ImageName]) -> None:
        """Raise RejectedError if the engine has another image under the name than it was given.

        Layers are compared, because only the classic store calls an image by the digest of its config.
        """
        if not (names or self._classic):
            return
        name = names[0].text if names else packed.config_descriptor.digest
        identity, layers = self._api.inspect(name)
        if list(layers) != [layer.diff_id for layer in packed.layers]:
            raise RejectedError(
                f"{self.name} holds another image as {name if names else identity} than the one that was loaded",
                hint="run again: somebody else may have loaded an image of the same name at the same time",
            )

    def _published(self, packed: Packed, reference: str) -> Published:
        config = packed.config_descriptor
        return Published(
            destination=self.name,
            reference=reference,
            tags=(),
            digest=packed.descriptor.digest,
            blobs=(
                *(self._delivered[layer.descriptor.digest] for layer in packed.layers),
                DeliveredBlob(config.digest, config.size, "written"),
            ),
        )


def _add(layer: PackedLayer, reader: BinaryIO, archive: ImageArchive) -> None:
    archive.add_blob(layer.descriptor.digest, layer.descriptor.size, reader)


def _shared(wanted: Sequence[str], present: Sequence[str]) -> int:
    """Count the layers that are the same from the lowest up: an engine knows a layer by all that are below it."""
    count = 0
    for ours, theirs in zip(wanted, present, strict=False):
        if ours != theirs:
            break
        count += 1
    return count
