"""Recompute every digest and size of an image from its bytes: what ends each write of a layout, and our own tests."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

from flakeship.errors import RejectedError
from flakeship.image.document import DOCUMENT_LIMIT, decode_object
from flakeship.image.inflate import uncompressed
from flakeship.image.model import Descriptor, Digest, digest_of, parse_digest
from flakeship.image.stream import Hashing, Reader, Unclosed, chunks, read_full
from flakeship.image.tar.blocks import DamagedError
from flakeship.printable import counted

OpenByDigest = Callable[[Digest], Reader]
"""Opens the bytes that a digest stands for; raises OSError if the bytes are not there."""

_HINT = (
    "publish the image again; if this happens again, the disk or the registry changes what is written to it"
)


def check_image(manifest: Descriptor, open_blob: OpenByDigest) -> None:
    """Read manifest, config and layers. RejectedError names the first thing that is not what it is said to be."""
    document = _document(manifest, open_blob, "manifest")
    try:
        config = _document(_descriptor(document["config"]), open_blob, "config")
        layers = [_descriptor(item) for item in document["layers"]]
        diff_ids = [parse_digest(item) for item in config["rootfs"]["diff_ids"]]
    except (KeyError, TypeError, ValueError) as error:
        raise RejectedError(
            f"manifest {manifest.digest} is not the manifest of an image: {error}", hint=_HINT
        ) from error
    if len(layers) != len(diff_ids):
        raise RejectedError(
            f"manifest {manifest.digest} has {counted(len(layers), 'layer')}, but its config {counted(len(diff_ids), 'diff_id')}",
            hint=_HINT,
        )
    for layer, diff_id in zip(layers, diff_ids, strict=True):
        check_layer(layer, diff_id, open_blob)


def check_layer(
    layer: Descriptor, diff_id: Digest, open_blob: OpenByDigest, *, tar_size: float = math.inf
) -> None:
    """RejectedError where the blob, or what it unpacks to, does not match its descriptor. `tar_size`, in bytes, is where
    unpacking ends in any case: some blobs go on for a thousand times their size.
    """
    found = ""
    with Hashing(_opened(layer.digest, open_blob, "layer")) as blob:
        with contextlib.suppress(DamagedError), uncompressed(Unclosed(blob)) as tar:
            found = _digest_of(tar, tar_size)
        for _ in chunks(blob):  # what stands behind the compressed stream belongs to the blob
            pass
    _compare(layer, blob.digest, blob.size, "layer")
    if found != diff_id:
        raise RejectedError(f"layer {layer.digest} does not unpack to the diff_id {diff_id}", hint=_HINT)


def _digest_of(tar: Reader, most: float) -> str:
    hashed = Hashing(tar)
    for _ in chunks(hashed):
        if hashed.size > most:
            return ""
    return hashed.digest


def _document(descriptor: Descriptor, open_blob: OpenByDigest, what: str) -> dict[str, Any]:
    with _opened(descriptor.digest, open_blob, what) as reader:
        data = read_full(reader, DOCUMENT_LIMIT + 1)
    _compare(descriptor, digest_of(data), len(data), what)
    try:
        return decode_object(data)
    except ValueError as error:
        raise RejectedError(f"{what} {descriptor.digest} can't be read: {error}", hint=_HINT) from error


def _opened(digest: Digest, open_blob: OpenByDigest, what: str) -> Reader:
    try:
        return open_blob(digest)
    except OSError as error:
        raise RejectedError(f"{what} {digest} is missing: {error.strerror}", hint=_HINT) from error


def _compare(descriptor: Descriptor, digest: str, size: int, what: str) -> None:
    if (digest, size) != (descriptor.digest, descriptor.size):
        raise RejectedError(
            f"{what} {descriptor.digest} ({counted(descriptor.size, 'byte')}) has the digest {digest} ({counted(size, 'byte')})",
            hint=_HINT,
        )


def _descriptor(document: dict[str, Any]) -> Descriptor:
    return Descriptor(document["mediaType"], parse_digest(document["digest"]), document["size"])
