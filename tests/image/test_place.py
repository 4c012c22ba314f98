"""An image's documents, read where the image is kept: each thing that may be wrong with one has its error."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field

import pytest

from flakeship.image.document import DOCUMENT_LIMIT
from flakeship.image.media_types import OCI
from flakeship.image.model import Digest, Packed, digest_of
from flakeship.image.place import (
    MalformedError,
    TooLargeError,
    WrongDigestError,
    read_document,
    read_image,
    read_manifest,
)
from tests.images import random_packed

PACKED = random_packed(7)


@dataclass
class Kept:
    """A manifest as a place gives it."""

    data: bytes
    media_type: str = ""

    @property
    def digest(self) -> Digest:
        return digest_of(self.data)


@dataclass
class Shelf:
    """A place that holds what it is told to hold, under whatever name."""

    name: str = "shelf"
    manifests: dict[str, Kept] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def get_manifest(self, reference: str) -> Kept | None:
        return self.manifests.get(reference)

    def get_blob(self, digest: Digest) -> io.BytesIO:
        return io.BytesIO(self.blobs[digest])


def shelf(packed: Packed, *, config: bytes | None = None) -> Shelf:
    return Shelf(
        manifests={"1": Kept(packed.manifest), packed.descriptor.digest: Kept(packed.manifest)},
        blobs={packed.config_descriptor.digest: packed.config if config is None else config},
    )


@pytest.mark.parametrize("reference", ["1", PACKED.descriptor.digest])
def test_from_a_reference_to_the_image(reference: str) -> None:
    manifest = read_manifest(shelf(PACKED), reference)
    assert manifest
    assert manifest.digest == PACKED.descriptor.digest
    assert not manifest.is_index
    image = read_image(shelf(PACKED), manifest)
    assert [layer.digest for layer in image.layers if layer] == [
        layer.descriptor.digest for layer in PACKED.layers
    ]
    assert image.where == "shelf"


def test_a_reference_that_leads_nowhere() -> None:
    assert read_manifest(shelf(PACKED), "2") is None


@pytest.mark.parametrize("media_type", ["", OCI.index])
def test_an_index_leads_to_its_manifests(media_type: str) -> None:
    entries = [{"digest": PACKED.descriptor.digest}]
    place = Shelf(manifests={"1": Kept(json.dumps({"manifests": entries}).encode(), media_type)})
    index = read_manifest(place, "1")
    assert index
    assert index.is_index
    assert index.children() == (PACKED.descriptor.digest,)


def test_a_manifest_of_another_digest() -> None:
    place = Shelf(manifests={PACKED.descriptor.digest: Kept(PACKED.config)})
    with pytest.raises(WrongDigestError) as caught:
        read_manifest(place, PACKED.descriptor.digest)
    assert caught.value.found == digest_of(PACKED.config)


def test_a_config_of_another_digest() -> None:
    place = shelf(PACKED, config=b"{}")
    manifest = read_manifest(place, "1")
    assert manifest
    with pytest.raises(WrongDigestError):
        read_image(place, manifest)


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"{", MalformedError), (b"[]", MalformedError), (b"{" + b" " * DOCUMENT_LIMIT + b"}", TooLargeError)],
    ids=["no JSON", "a list", "too large"],
)
def test_a_document_that_can_not_be_read(data: bytes, error: type[ValueError]) -> None:
    with pytest.raises(error):
        read_document(io.BytesIO(data), digest_of(data))


def test_a_digest_of_the_other_algorithm() -> None:
    digest = Digest(f"sha512:{hashlib.sha512(b'{}').hexdigest()}")
    assert read_document(io.BytesIO(b"{}"), digest) == {}


def test_a_document_beyond_the_limit_says_so() -> None:
    assert str(TooLargeError()) == f"it has more than {DOCUMENT_LIMIT} bytes"
