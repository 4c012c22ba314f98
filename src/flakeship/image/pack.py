"""Layer → PackedLayer, several at a time and within bounded memory; Image and packed layers → Packed."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from flakeship import events
from flakeship.image.adopt import MismatchError, StoppedError, adopted, compare, mismatch
from flakeship.image.annotations import SEAL
from flakeship.image.compress import Compression, compressed, unwatched
from flakeship.image.document import encode
from flakeship.image.media_types import CONFIGS, OCI, Family
from flakeship.image.model import EMPTY, Descriptor, Digest, Image, Layer, Packed, PackedLayer
from flakeship.image.seal import sealed
from flakeship.image.stream import chunks
from flakeship.image.workers import workers
from flakeship.image.zstd_estimate import ZstdSample

_READERS: Final = {"gzip": 4, "zstd": 1, "none": 4}  # zstd has threads of its own, and holds some 50 MiB
_IN_FLIGHT: Final = 16
"""At most so many layers are read at a time, and so many chunks are between readers and writers: what bounds memory
on a machine of many cores."""


class LayerStore(Protocol):
    """A store finds packed layers before a byte of them is read, or keeps them once they are made."""

    def find(self, layer: Layer) -> PackedLayer | None:
        """One that is `compressed` is found as the very blob that it is, or not at all."""

    def spool(self) -> contextlib.AbstractContextManager[tuple[BinaryIO, Path]]:
        """Open a new file for a blob; yield the file and its path."""

    def keep(self, layer: Layer, packed: PackedLayer, path: Path) -> None:
        """Told of each layer that was made; its blob lies at `path` until it is discarded."""


@dataclass(frozen=True, slots=True)
class Packing:
    """The way in which layers are packed. `threads` limits the layers read, and the chunks compressed, at a time."""

    compression: Compression
    family: Family
    store: LayerStore
    threads: int
    emit: events.Emit = events.ignore
    prepare: Callable[[], None] = lambda: None
    """Called before each layer is packed: what the process does for it, and need not do where all layers are used again."""
    sample: ZstdSample | None = None
    """Of all that is packed, for the question what zstd would make of it; None where nobody could use that."""


def packed_layers(layers: Iterable[Layer], packing: Packing, *, forward_only: bool) -> Generator[PackedLayer]:
    """Each layer as soon as it is finished, in any order; the next ones are begun as these are taken.

    With `forward_only` each layer is read to its end before the next is asked for.
    """
    stop = threading.Event()
    readers = 1 if forward_only else min(packing.threads, _READERS[packing.compression.algorithm])
    in_flight = min(packing.threads + 2, _IN_FLIGHT // readers)
    with workers("compress", packing.threads) as compressors, workers("read", readers, stop) as pool:
        pending: set[Future[PackedLayer]] = set()
        for layer in layers:
            pending.add(pool.submit(_pack, layer, packing, compressors, in_flight, stop))
            if len(pending) >= readers:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def _pack(
    layer: Layer, packing: Packing, compressors: Executor, in_flight: int, stop: threading.Event
) -> PackedLayer:
    if layer.compressed:
        if layer.compressed.here and (found := _found(layer, packing)):
            return found
        # docs/decisions.md#a-compressed-blob-is-sent-as-it-is
        return adopted(layer, layer.compressed, packing.family, stop=stop, emit=packing.emit)
    if found := _found(layer, packing):
        return found
    try:
        return _packed(layer, packing, compressors, in_flight, stop)
    except MismatchError:
        if not layer.otherwise:
            raise
    other, *others = layer.otherwise
    return _pack(replace(layer, open=other, otherwise=tuple(others)), packing, compressors, in_flight, stop)


def size_to_read(layer: Layer) -> int | None:
    """The bytes that are read of a layer unless it is found in the store; None where that is known only afterwards."""
    if layer.compressed:
        return layer.compressed.size if layer.compressed.here else 0
    return layer.size


def _found(layer: Layer, packing: Packing) -> PackedLayer | None:
    found = packing.store.find(layer)
    if found:
        packing.emit(events.BytesAwaited("read", -(size_to_read(layer) or 0)))
    return found


def _packed(
    layer: Layer, packing: Packing, compressors: Executor, in_flight: int, stop: threading.Event
) -> PackedLayer:
    packing.prepare()
    packing.emit(events.LayerProgress(layer.name, "reading"))
    tar_hash, blob_hash, size = hashlib.sha256(), hashlib.sha256(), 0

    def read() -> Iterator[bytes]:
        with layer.open() as reader:
            for data in chunks(reader):
                if stop.is_set():
                    raise StoppedError
                tar_hash.update(data)
                packing.emit(events.BytesMoved("read", len(data)))
                yield data

    # docs/decisions.md#a-layer-is-packed-to-a-file-first
    with packing.store.spool() as (file, path):
        watch = packing.sample.took if packing.sample else unwatched
        for piece in compressed(
            read(), packing.compression, pool=compressors, in_flight=in_flight, watch=watch
        ):
            blob_hash.update(piece)
            size += len(piece)
            file.write(piece)
        diff_id = Digest(f"sha256:{tar_hash.hexdigest()}")
        compare(layer, diff_id)
    digest = Digest(f"sha256:{blob_hash.hexdigest()}")
    media_type = packing.family.layers[packing.compression.suffix]
    packing.emit(events.LayerProgress(layer.name, "packed", size, digest))
    packed = layer.packed(
        diff_id,
        Descriptor(media_type, digest, size, layer.annotations),
        open=lambda: path.open("rb", buffering=0),
        discard=lambda: path.unlink(missing_ok=True),
    )
    packing.store.keep(layer, packed, path)
    return packed


def seal(image: Image, layers: Mapping[str, PackedLayer], family: Family = OCI) -> Packed:
    """Settle the bytes of config and manifest. `layers` are by key and may hold more than the image needs.

    NotAnImageError where a layer's bytes are not those that the image claims.
    """
    chosen = tuple(layers[key] for key in image.layers)
    for layer, claimed in zip(chosen, image.diff_ids, strict=True):
        if claimed and claimed != layer.diff_id:
            raise mismatch(layer.name, claimed, layer.diff_id)
    config = encode(config_document(image, [layer.diff_id for layer in chosen]))
    config_descriptor = Descriptor.of(family.config, config)
    annotated = family is OCI  # docker's manifest knows no annotations
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": family.manifest,
        "config": config_descriptor.to_json(),
        "layers": [_layer_json(layer.descriptor, annotated=annotated) for layer in chosen],
    }
    artifact_type = image.artifact_type if annotated else ""
    if artifact_type and artifact_type not in CONFIGS:
        document["artifactType"] = artifact_type
    if annotated and image.annotations:
        document["annotations"] = dict(image.annotations)
    if annotated and SEAL in image.annotations:
        document = sealed(document)
    manifest = encode(document)
    return Packed(
        manifest=manifest,
        config=config,
        descriptor=replace(
            Descriptor.of(family.manifest, manifest),
            annotations=image.descriptor_annotations if annotated else EMPTY,
            platform=image.platform,
            artifact_type=artifact_type,
        ),
        config_descriptor=config_descriptor,
        layers=chosen,
        image=image,
    )


def config_document(image: Image, diff_ids: list[Digest]) -> dict[str, Any]:
    """https://github.com/opencontainers/image-spec/blob/main/config.md, rootfs and history included."""
    document = {**image.config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    if image.history:
        document["history"] = [dict(entry) for entry in image.history]
    return document


def _layer_json(descriptor: Descriptor, *, annotated: bool) -> dict[str, Any]:
    document = descriptor.to_json()
    if not annotated:
        document.pop("annotations", None)
    return document
