"""`docker-daemon:[NAME:TAG]`: an image loaded into a Docker engine through its API, as its layers come and without those
that the engine has. Podman's service speaks the same API.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from flakeship import events
from flakeship.destinations.archive.name import Name
from flakeship.destinations.docker_daemon.engine import Engine, tls_of
from flakeship.destinations.docker_daemon.failure import check_socket, explained
from flakeship.destinations.docker_daemon.load import Load
from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob, Prepared, Published, Tagging
from flakeship.errors import Error, RejectedError, UnreachableError
from flakeship.image.model import Digest, Packed, PackedLayer

_ANSWER: Final = 60
_LOAD: Final = 1800
"""Seconds without a word: an engine that unpacks a large layer is silent for minutes."""


class EngineDestination:
    """One engine and the names that an image gets there; without any it keeps its own. To be used as a context."""

    def __init__(
        self, engine: Engine, names: tuple[Name, ...] = (), *, emit: events.Emit = events.ignore
    ) -> None:
        self._engine, self._names, self._emit = engine, names, emit
        self._api: Any = None  # docker.APIClient, whose stubs know little
        self._load: Load | None = None
        self._classic = False
        self._known: frozenset[str] = frozenset()
        self._held: dict[Digest, tuple[PackedLayer, BinaryIO]] = {}
        self._delivered: dict[Digest, DeliveredBlob] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._engine.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """An engine that is left in the middle of an archive has no image of it: what names the layers comes last."""
        self._drop_held()
        if self._load:
            self._load.abandon()
        if self._api:
            self._api.close()

    def check(self) -> None:
        """Connect, and ask which layers are there. UnreachableError where no engine answers."""
        from docker import APIClient

        with explained(self._engine):
            check_socket(self._engine.address)
            self._api = APIClient(
                base_url=self._engine.address,
                version="auto",
                timeout=_ANSWER,
                tls=tls_of(self._engine),
            )
            self._classic = self._is_classic()
            if self._classic:
                self._known = frozenset(layer for layers in self._images() for layer in layers)
            self._api.timeout = _LOAD

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        digest = layer.descriptor.digest
        if layer.open is None:
            raise BlobsUnknownError(frozenset({digest}))
        if certain and layer.diff_id in self._known:
            # Whether the engine can do without depends on the layers below, which are known in the end:
            # the blob is kept at hand until then.
            with self._lock:
                if digest not in self._held:
                    self._held[digest] = layer, layer.open()
            return self._note(layer, "reused")
        self._send(lambda load: load.archive.add_layer(layer))
        return self._note(layer, "written")

    def prepare(self, packed: Packed) -> Prepared:
        """The engine names what it loads by itself, all at once, when it has read the archive's end."""
        withheld = self._send_held(packed)
        names = self._names or tuple(map(Name, packed.image.names))
        references = tuple(f"{self.name}:{name}" for name in names or (packed.config_descriptor.digest,))

        def published() -> Published:
            self._check_loaded(packed, names)
            return self._published(packed, references[0])

        ending = functools.partial(self._end, packed, names, withheld)
        return Prepared((Tagging(references, ending),), published)

    def _end(self, packed: Packed, names: Sequence[Name], withheld: frozenset[Digest]) -> None:
        try:
            self._send(
                lambda load: load.archive.finish(packed, names=names, layout=not withheld, docker=True)
            )
            self._finish_load()
        except Error as error:
            if not withheld:
                raise
            # The engine lost what it had a moment ago; everything is sent once more.
            self._start_again()
            raise BlobsUnknownError(frozenset(layer.descriptor.digest for layer in packed.layers)) from error

    def _note(self, layer: PackedLayer, state: Any) -> DeliveredBlob:
        digest, size = layer.descriptor.digest, layer.descriptor.size
        self._delivered[digest] = delivered = DeliveredBlob(digest, size, state)
        self._emit(events.LayerProgress(layer.key, state, size, digest, self.name))
        return delivered

    def _send_held(self, packed: Packed) -> frozenset[Digest]:
        """Send what was held and is needed after all; the digests of the others, which the engine need not be given."""
        wanted = [layer.diff_id for layer in packed.layers]
        with explained(self._engine):
            there = (
                max((_shared(wanted, layers) for layers in self._images()), default=0) if self._held else 0
            )
        spared = {layer.descriptor.digest for layer in packed.layers[:there]} & set(self._held)
        needed = {layer.descriptor.digest for layer in packed.layers[there:]}
        for digest in needed & set(self._held):
            layer, reader = self._held[digest]
            self._send(functools.partial(_add, layer, reader))
            self._note(layer, "written")
        self._drop_held()
        return frozenset(spared - needed)

    def _send(self, write: Callable[[Load], None]) -> None:
        with self._lock:
            if self._load is None:
                self._load = Load(self._api)
            load = self._load
        try:
            write(load)
        except BrokenPipeError:
            with explained(self._engine):
                load.finish()
            raise UnreachableError(
                f"{self.name} stopped reading the image before its end",
                hint="look at the engine's log, and run again",
            ) from None

    def _finish_load(self) -> None:
        assert self._load
        load, self._load = self._load, None
        with explained(self._engine):
            load.finish()

    def _start_again(self) -> None:
        self._known, self._delivered = frozenset(), {}
        if self._load:
            self._load.abandon()
            self._load = None

    def _drop_held(self) -> None:
        while self._held:
            _, (_, reader) = self._held.popitem()
            reader.close()

    def _is_classic(self) -> bool:
        """Docker's classic store looks a layer up before it reads it; containerd's and podman's want all of them."""
        version = self._api.version()
        if any("podman" in str(part.get("Name", "")).lower() for part in version.get("Components") or ()):
            return False
        status = self._api.info().get("DriverStatus") or ()
        return not any("containerd" in str(word) for row in status for word in row)

    def _images(self) -> Iterator[Sequence[str]]:
        """The diff_ids of every image of the engine, from the bottom up."""
        import docker.errors

        for image in self._api.images(quiet=True, all=True):
            with contextlib.suppress(docker.errors.NotFound):  # removed since
                yield (self._api.inspect_image(image).get("RootFS") or {}).get("Layers") or ()

    def _check_loaded(self, packed: Packed, names: Sequence[Name]) -> None:
        """RejectedError where the engine has another image under the name than it was given.

        Layers are compared, for other stores than the classic one do not call an image by its config's digest.
        """
        if not (names or self._classic):
            return
        with explained(self._engine):
            found = self._api.inspect_image(names[0] if names else packed.config_descriptor.digest)
        if (found.get("RootFS") or {}).get("Layers", []) != [layer.diff_id for layer in packed.layers]:
            raise RejectedError(
                f"{self.name} has another image as {names[0] if names else found.get('Id')} than was loaded",
                hint="did someone else load one of the same name at the same time? Run again",
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


def _add(layer: PackedLayer, reader: BinaryIO, load: Load) -> None:
    load.archive.add_blob(layer.descriptor.digest, layer.descriptor.size, reader)


def _shared(wanted: Sequence[str], present: Sequence[str]) -> int:
    """How many layers from the bottom up are the same: an engine knows a layer by all that is below it."""
    count = 0
    for ours, theirs in zip(wanted, present, strict=False):
        if ours != theirs:
            break
        count += 1
    return count
