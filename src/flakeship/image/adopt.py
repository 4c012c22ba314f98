"""A layer that is compressed already → PackedLayer: its bytes are compared with what is claimed, and never packed again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import BinaryIO, cast

from flakeship import events
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.inflate import uncompressed
from flakeship.image.media_types import Family
from flakeship.image.model import CompressedBlob, Descriptor, Digest, Layer, PackedLayer
from flakeship.image.stream import Hashing, Reader, Unclosed, Wrapper, chunks, sha256_of
from flakeship.image.tar.blocks import DamagedError
from flakeship.printable import counted


class StoppedError(Exception):
    """Another layer failed."""


def adopted(
    layer: Layer,
    compressed: CompressedBlob,
    family: Family,
    *,
    stop: threading.Event,
    emit: events.Emit = events.ignore,
) -> PackedLayer:
    """The blob as it is, after one reading: hashed, unpacked and compared with the diff_id.

    One that is not here is not read. UsageError where the family of media types can't name its compression.
    """
    assert layer.diff_id, "a compressed blob comes with its diff_id"
    if compressed.suffix not in family.layers:
        raise UsageError(
            f"layer {compressed.digest} is compressed with zstd, for which Docker's media types have no name",
            hint="set `media-types: oci`",
        )
    if compressed.here:
        emit(events.LayerProgress(layer.name, "reading"))
        _check(layer, compressed, stop=stop, emit=emit)
    emit(events.LayerProgress(layer.name, "packed", compressed.size, compressed.digest))
    return layer.packed(
        layer.diff_id,
        Descriptor(family.layers[compressed.suffix], compressed.digest, compressed.size, layer.annotations),
        open=cast("Callable[[], BinaryIO]", compressed.open),  # a Stream passes for a file
    )


def compare(layer: Layer, diff_id: Digest) -> None:
    """MismatchError where a layer's tar is not the one that is claimed."""
    if layer.diff_id and layer.diff_id != diff_id:
        raise mismatch(layer.name, layer.diff_id, diff_id)


class MismatchError(NotAnImageError):
    """A layer's tar is not the one that is claimed."""


def mismatch(name: str, claimed: Digest, found: Digest) -> MismatchError:
    """Return the error for a layer of which the config states another diff_id than its tar has."""
    return MismatchError(
        f"layer {name} is not the one that the image's config names: the config has the diff_id {claimed}, the layer {found}",
        hint="build the archive again (`nix store delete PATH`, then `nix build`): it is damaged, or was changed",
    )


class Checked(Hashing):
    """A blob that compares itself with its digest while it is read; NotAnImageError at its end where it is another."""

    def __init__(self, reader: Reader, digest: Digest) -> None:
        super().__init__(reader, digest.partition(":")[0])
        self._expected = digest

    def read(self, size: int = -1, /) -> bytes:
        data = super().read(size)
        if not data and size:
            self.check()
        return data

    def check(self) -> None:
        """Raise NotAnImageError unless all that was read so far has the digest."""
        if self.digest != self._expected:
            raise wrong_digest(self._expected, self.size, self.digest)


def wrong_digest(digest: Digest, size: int, found: str) -> NotAnImageError:
    """Return the error for a blob of `size` bytes that has the digest `found`."""
    return NotAnImageError(
        f"the blob {digest} has other content than its digest says: the digest of its {counted(size, 'byte')} is {found}",
        hint="make the image anew where it is kept: it is damaged there, or was changed",
    )


class _Interruptible(Wrapper):
    """A blob that reports what is read of it, and raises StoppedError once another layer has failed."""

    def __init__(self, reader: Reader, stop: threading.Event, emit: events.Emit) -> None:
        super().__init__(reader)
        self._stop, self._emit = stop, emit

    def read(self, size: int = -1, /) -> bytes:
        if self._stop.is_set():
            raise StoppedError
        data = self._reader.read(size)
        self._emit(events.BytesMoved("read", len(data)))
        return data


def _check(layer: Layer, compressed: CompressedBlob, *, stop: threading.Event, emit: events.Emit) -> None:
    with Checked(_Interruptible(compressed.open(), stop, emit), compressed.digest) as blob:
        found, damage = None, None
        try:
            if compressed.suffix or compressed.watch:
                plain = Unclosed(blob)
                # Left to the collector of garbage, its thread is waited for wherever that happens to run: also under a lock of Python's threads.
                with contextlib.closing(uncompressed(plain) if compressed.suffix else plain) as tar:
                    found, _ = sha256_of(compressed.watch(tar) if compressed.watch else tar)
        except DamagedError as error:
            damage = error
        for _ in chunks(blob):  # what stands behind the compressed stream belongs to the blob
            pass
    if blob.size != compressed.size:
        raise NotAnImageError(
            f"the blob {compressed.digest} has {counted(blob.size, 'byte')}, but the manifest says {compressed.size}",
            hint="build the image again: it is damaged, or made by a builder that flakeship does not know",
        )
    if damage:
        raise NotAnImageError(
            f"the blob {compressed.digest} can't be unpacked: {damage}",
            hint="make the image anew: no engine can unpack it",
        )
    if found:
        compare(layer, Digest(found))
