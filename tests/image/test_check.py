"""Recomputing digests notices every change."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest

from flakeship.errors import RejectedError
from flakeship.image.check import check_image, check_layer
from flakeship.image.model import Descriptor, Digest, digest_of
from flakeship.image.stream import chunks
from tests.image.making import files, settled
from tests.images import LAYER as GZIP
from tests.images import packed_of, random_layer, random_packed

PACKED = random_packed(7)
LAYER = PACKED.layers[1]


def blobs() -> dict[Digest, bytes]:
    found = {PACKED.descriptor.digest: PACKED.manifest, PACKED.config_descriptor.digest: PACKED.config}
    for layer in PACKED.layers:
        assert layer.open
        found[layer.descriptor.digest] = layer.open().read()
    return found


def check(kept: dict[Digest, bytes], descriptor: Descriptor = PACKED.descriptor) -> None:
    def open_blob(digest: Digest) -> Any:
        if digest not in kept:
            raise FileNotFoundError(2, "No such file or directory")
        return io.BytesIO(kept[digest])

    check_image(descriptor, open_blob)


def test_a_good_image() -> None:
    check(blobs())


@pytest.mark.parametrize("digest", blobs())
@pytest.mark.parametrize("change", ["missing", "cut", "longer", "flipped", "empty"])
def test_whatever_is_changed(digest: Digest, change: str) -> None:
    kept, open_files = blobs(), files()
    data = kept[digest]
    middle = len(data) // 2
    match change:
        case "missing":
            del kept[digest]
        case "flipped":
            kept[digest] = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        case _:
            kept[digest] = {"cut": data[:-9], "longer": data + b"x", "empty": b""}[change]
    with pytest.raises(RejectedError) as caught:
        check(kept)
    assert digest in caught.value.message
    assert ("is missing" if change == "missing" else "has the digest") in caught.value.message
    assert "publish the image again" in caught.value.hint
    assert settled(open_files)


def test_a_layer_that_is_not_what_the_config_says() -> None:
    other = packed_of(random_layer(1))
    layer = random_layer(2)
    document = json.loads(other.manifest) | {"layers": [layer.descriptor.to_json()]}
    manifest = json.dumps(document).encode()
    assert layer.open
    kept = {
        digest_of(manifest): manifest,
        other.config_descriptor.digest: other.config,
        layer.descriptor.digest: layer.open().read(),
    }
    with pytest.raises(RejectedError, match="does not unpack to the diff_id"):
        check(kept, Descriptor.of("m", manifest))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b"[]", "can't be read: it is not a JSON object"),
        (b"{}", "is not the manifest of an image"),
        (b'{"config": 5}', "is not the manifest of an image"),
        (
            b'{"config": {"mediaType": "a", "digest": "b", "size": 1}}',
            "is not the manifest of an image: 'b' is not a digest",
        ),
    ],
)
def test_no_manifest(document: bytes, words: str) -> None:
    with pytest.raises(RejectedError) as caught:
        check({digest_of(document): document}, Descriptor.of("m", document))
    assert words in caught.value.message
    assert caught.value.hint


def test_counts_that_differ() -> None:
    manifest = json.dumps(json.loads(PACKED.manifest) | {"layers": []}).encode()
    with pytest.raises(RejectedError, match="has 0 layers, but its config 3"):
        check(blobs() | {digest_of(manifest): manifest}, Descriptor.of("m", manifest))


def test_a_blob_that_goes_on_and_on_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(bytes(64 << 20), 9)
    seen: list[int] = []

    def counted(reader: Any) -> Any:
        for data in chunks(reader):
            seen.append(len(data))
            yield data

    monkeypatch.setattr("flakeship.image.check.chunks", counted)
    with pytest.raises(RejectedError, match="does not unpack"):
        check_layer(Descriptor.of(GZIP, bomb), digest_of(b""), lambda _: io.BytesIO(bomb), tar_size=1000)
    assert sum(seen) < 4 << 20
