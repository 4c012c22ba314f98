"""Which layer is found at which destinations: each is believed of itself, and none of the others."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

import pytest
import zstandard

from flakeship.errors import RejectedError
from flakeship.image.annotations import LAYER_KEY
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.media_types import DOCKER, OCI, Family
from flakeship.image.model import EMPTY, CompressedBlob, Descriptor, Digest, Layer, PackedLayer, digest_of
from flakeship.stores.existing import ExistingStore
from flakeship.stores.temporary import TemporaryStore

KEY: Final = "store:1"


def digest(text: str) -> Digest:
    return digest_of(text.encode())


def told(name: str, *, key: str = "", suffix: str = "+gzip", size: int = 7) -> ExistingLayer:
    return ExistingLayer(digest(name), digest(f"{name} packed"), size, suffix, key, "there")


def image(*layers: ExistingLayer | None) -> ExistingImage:
    config = Descriptor(OCI.config, digest("config"), 2)
    return ExistingImage("there", EMPTY, {}, layers, config, intact=True)


def unreadable(_: ExistingLayer) -> NoReturn:
    raise OSError("it breaks off")


def store(
    tmp_path: Path, *places: ExistingImage | None, family: Family = OCI, verify: bool = False
) -> ExistingStore:
    return ExistingStore(
        [None if place is None else [place] for place in places],
        suffix="+gzip",
        family=family,
        behind=TemporaryStore(tmp_path),
        open_blob=unreadable if verify else None,
    )


def of_paths(key: str = KEY) -> Layer:
    """As a closure tells of it: nothing is known but its key."""
    return Layer(key, io.BytesIO, annotations={LAYER_KEY: key})


def found(store: ExistingStore, layer: Layer) -> Digest | None:
    packed = store.find(layer)
    return packed.descriptor.digest if packed else None


def test_by_its_key(tmp_path: Path) -> None:
    assert found(store(tmp_path, image(told("a", key=KEY))), of_paths()) == digest("a packed")
    assert found(store(tmp_path, image(told("a", key="store:2"))), of_paths()) is None


def test_the_name_of_a_member_is_no_key(tmp_path: Path) -> None:
    """It is chosen anew by each builder, and means nothing beyond its archive."""
    member = Layer("abc/layer.tar", io.BytesIO)
    assert found(store(tmp_path, image(told("a", key="abc/layer.tar"))), member) is None


def test_one_destination_does_not_say_what_another_has(tmp_path: Path) -> None:
    honest, other = told("a", key=KEY), told("b")
    liar = replace(told("b"), key=KEY)
    assert found(store(tmp_path, image(liar), image(honest, other)), of_paths()) is None
    assert found(store(tmp_path, image(honest), image(liar)), of_paths()) is None
    assert found(store(tmp_path, image(honest), image(honest)), of_paths()) == honest.digest
    assert found(store(tmp_path, image(honest), None), of_paths()) == honest.digest
    larger = replace(honest, size=8)
    assert found(store(tmp_path, image(honest), image(larger)), of_paths()) is None


@pytest.mark.parametrize("wrap", [gzip.compress, zstandard.compress, bytes])
def test_with_verify_a_blob_is_compressed_as_it_is_said_to_be(
    tmp_path: Path, wrap: Callable[[bytes], bytes]
) -> None:
    tar = random.Random(1).randbytes(4000)
    blob = wrap(tar)
    there = image(ExistingLayer(digest_of(tar), digest_of(blob), len(blob), "+gzip", KEY, "there"))
    doubting = ExistingStore(
        [[there]],
        suffix="+gzip",
        family=OCI,
        behind=TemporaryStore(tmp_path),
        open_blob=lambda _: io.BytesIO(blob),
    )
    layer = Layer(KEY, lambda: io.BytesIO(tar), annotations={LAYER_KEY: KEY})
    assert found(doubting, layer) == (digest_of(blob) if wrap is gzip.compress else None)


def test_with_verify_a_blob_has_the_content_that_it_is_said_to_have(tmp_path: Path) -> None:
    """Its digest is right, and so is the diff_id of the layer; the two belong to two layers."""
    tar, other = (random.Random(seed).randbytes(4000) for seed in (1, 2))
    for content, taken in ((tar, True), (other, False), (tar + b"x", False)):
        blob = gzip.compress(content)
        there = image(ExistingLayer(digest_of(tar), digest_of(blob), len(blob), "+gzip", KEY, "there"))
        for sent, right in ((blob, taken), (blob[:-1], False), (gzip.compress(tar, 1), False)):
            doubting = ExistingStore(
                [[there]],
                suffix="+gzip",
                family=OCI,
                behind=TemporaryStore(tmp_path),
                open_blob=lambda _, data=sent: io.BytesIO(data),  # type: ignore[misc]
            )
            layer = Layer(KEY, lambda: io.BytesIO(tar), annotations={LAYER_KEY: KEY})
            assert found(doubting, layer) == (digest_of(blob) if right else None)


def compressed(*, suffix: str = "+gzip", size: int = 7, name: str = "a") -> Layer:
    blob = CompressedBlob(digest(f"{name} packed"), size, suffix, io.BytesIO)
    return Layer(digest("a"), io.BytesIO, digest("a"), compressed=blob)


@pytest.mark.parametrize("given", ["the bytes", "other bytes", "fewer"])
@pytest.mark.parametrize("source", ["is packed here", "is kept from an earlier run", "has the blob ready"])
def test_with_verify_no_layer_counts_as_sent_whose_blob_is_damaged_there(
    tmp_path: Path, source: str, given: str
) -> None:
    """The registry says by a HEAD that it has the digest, and throws away what is sent under it."""
    tar = random.Random(1).randbytes(4000)
    blob = gzip.compress(tar)
    there = image(
        ExistingLayer(digest_of(tar), digest_of(blob), len(blob), "+gzip", KEY, "registry.example/app")
    )
    damaged = {"the bytes": blob, "other bytes": blob[:-1] + b"x", "fewer": blob[:-9]}[given]
    ready = CompressedBlob(digest_of(blob), len(blob), "+gzip", lambda: io.BytesIO(blob))
    layer = Layer(KEY, lambda: io.BytesIO(tar), digest_of(tar), annotations={LAYER_KEY: KEY})
    packed = layer.packed(
        digest_of(tar),
        Descriptor(OCI.layers["+gzip"], digest_of(blob), len(blob)),
        open=lambda: io.BytesIO(blob),
    )

    class Kept(TemporaryStore):
        def find(self, layer: Layer) -> PackedLayer | None:
            return packed if source == "is kept from an earlier run" else None

    doubting = ExistingStore(
        [[image()], [there]],
        suffix="+gzip",
        family=OCI,
        behind=Kept(tmp_path),
        open_blob=lambda _: io.BytesIO(damaged),
    )

    def publish() -> None:
        if source == "has the blob ready":
            doubting.find(replace(layer, compressed=ready))
        elif doubting.find(layer) is None:
            doubting.keep(layer, packed, tmp_path)

    if given == "the bytes":
        publish()
    else:
        with pytest.raises(RejectedError, match=r"is damaged in registry\.example/app: its") as caught:
            publish()
        assert caught.value.hint.startswith("ask who runs the registry")


@pytest.mark.parametrize("suffix", ["", "+gzip", "+zstd"])
def test_a_blob_that_is_ready_is_found_as_it_is(tmp_path: Path, suffix: str) -> None:
    """Whatever this run would compress with."""
    there = image(told("a", suffix=suffix))
    packed = store(tmp_path, there).find(compressed(suffix=suffix))
    assert packed
    assert packed.open is None
    assert packed.descriptor.media_type == OCI.layers[suffix]
    assert found(store(tmp_path, there, there), compressed(suffix=suffix)) == digest("a packed")


def test_a_blob_that_is_ready_is_found_nowhere_else(tmp_path: Path) -> None:
    there = image(told("a"))
    assert found(store(tmp_path, there), compressed(size=8)) is None
    assert found(store(tmp_path, there), compressed(name="b")) is None
    assert found(store(tmp_path, there, image()), compressed()) is None
    assert found(store(tmp_path), compressed()) is None
    assert found(store(tmp_path, there, verify=True), compressed()) is None
    zstd = image(told("a", suffix="+zstd"))
    assert found(store(tmp_path, zstd, family=DOCKER), compressed(suffix="+zstd")) is None
    forgetful = store(tmp_path, there)
    forgetful.forget({digest("a packed")})
    assert found(forgetful, compressed()) is None
