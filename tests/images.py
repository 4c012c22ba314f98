"""Random images of which every digest is right: what a destination is given in tests."""

from __future__ import annotations

import functools
import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable
from typing import BinaryIO

from flakeship.image.model import Descriptor, Digest, Image, Packed, PackedLayer, Platform, digest_of
from tests.image.recipe import blob

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def opener(data: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(data)


@functools.lru_cache(maxsize=64)
def random_layer(seed: int, *, size: int = 10_000) -> PackedLayer:
    """A tar of one file of `size` random bytes, in gzip, which stores them: they don't get smaller."""
    plain = _tar(seed, size)
    diff_id = digest_of(plain)
    made = gzip.compress(plain, 0, mtime=0)
    return PackedLayer(diff_id, diff_id, Descriptor.of(LAYER, made), opener(made))


def layer_as_we_pack(seed: int, *, size: int = 3_000_000) -> PackedLayer:
    """The same as our recipe packs it: chunks that are stored, and the last, which may be small enough to be compressed."""
    plain = _tar(seed, size)
    diff_id = digest_of(plain)
    made = blob(plain, "gzip", 2)
    return PackedLayer(diff_id, diff_id, Descriptor.of(LAYER, made), opener(made))


def _tar(seed: int, size: int) -> bytes:
    content = random.Random(seed).randbytes(size)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        member = tarfile.TarInfo(f"nix/store/file-{seed}")
        member.size = size
        archive.addfile(member, io.BytesIO(content))
    return plain.getvalue()


def random_packed(seed: int, layers: int = 3, *, size: int = 140_000) -> Packed:
    """An image of `layers` layers of `size` random bytes, which is no small blob; another seed shares nothing with it."""
    return packed_of(*(random_layer(seed * 1000 + number, size=size) for number in range(layers)), seed=seed)


def packed_of(*layers: PackedLayer, seed: int = 0) -> Packed:
    diff_ids = [layer.diff_id for layer in layers]
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"seed": str(seed)}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "random"} for _ in layers],
        }
    )
    described = Descriptor.of(CONFIG, config)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described.to_json(),
            "layers": [layer.descriptor.to_json() for layer in layers],
        }
    )
    platform = Platform("linux", "amd64")
    image = Image({}, platform, tuple(layer.key for layer in layers), tuple(diff_ids))
    descriptor = Descriptor(MANIFEST, digest_of(manifest), len(manifest), platform=platform)
    return Packed(manifest, config, descriptor, described, layers, image)


def digests(packed: Packed) -> list[Digest]:
    """Of every blob: the layers and last the config."""
    return [*(layer.descriptor.digest for layer in packed.layers), packed.config_descriptor.digest]


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
