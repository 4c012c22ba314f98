"""Media types as they are met: in other letters, with parameters, of files, or wrong. What is in a document decides."""

from __future__ import annotations

import gzip
import io
import json
import lzma
from pathlib import Path
from typing import Any, Final

import pytest
import zstandard

from flakeship import sources
from flakeship.errors import NotAnImageError
from flakeship.image.media_types import INDEXES, MANIFESTS
from flakeship.image.model import Descriptor, Digest, Image, Layer
from flakeship.image.stream import Reader
from flakeship.sources.blobs import RegistryImage
from flakeship.sources.opened import OpenedIndex, SourceRequest
from flakeship.sources.registry_image import opened
from tests.image.making import check, made
from tests.sources.layouts import CONFIG, GZIP, INDEX, MANIFEST, Layout, layer_tar, sha256

LITTLE: Final = ("application/json", "text/plain", "text/html; charset=utf-8", "Application/Octet-Stream", "")
MANIFEST_V1: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"
ODD: Final = (*LITTLE, MANIFEST.upper(), f"{MANIFEST}; charset=utf-8", INDEX, MANIFEST_V1)


class Repository:
    """A registry's repository, which keeps manifests apart from blobs; `read` are the blobs that were opened."""

    what = "registry.example/app:1"
    here = False

    def __init__(self, layout: Layout, *manifests: Any) -> None:
        self._blobs = dict(layout.blobs)
        self._manifests = {each["digest"]: self._blobs.pop(each["digest"]) for each in manifests}
        self.read: list[str] = []

    def size(self, digest: Digest) -> int | None:
        return len(self._blobs[digest]) if digest in self._blobs else None

    def open(self, digest: Digest) -> Reader:
        self.read.append(digest)
        return io.BytesIO(self._blobs[digest])

    def open_document(self, entry: Descriptor) -> Reader:
        kept = self._manifests if entry.media_type in INDEXES | MANIFESTS else self._blobs
        return io.BytesIO({**kept, **dict([*self._manifests.items()][:1])}[entry.digest])


def images(repository: Repository, entry: Any, media_type: str) -> tuple[list[Image], list[Layer]]:
    """What is read of the reference, whose manifest the registry serves with this media type."""
    descriptor = Descriptor(media_type, entry["digest"], entry["size"])
    with opened(RegistryImage(repository, descriptor), SourceRequest()) as source:
        found = source.images() if isinstance(source, OpenedIndex) else (source.image(),)
        return list(found), list(source.layers())


@pytest.mark.parametrize("served", ODD)
def test_a_manifest_that_is_served_as_something_else(served: str) -> None:
    layout = Layout()
    entry = layout.image("one")
    found, layers = images(Repository(layout, entry), entry, served)
    assert [layer.diff_id for layer in layers] == [sha256(layer_tar("one"))]
    assert len(found) == 1


@pytest.mark.parametrize("served", [*LITTLE, MANIFEST, INDEX.upper()])
@pytest.mark.parametrize("stated", [True, False])
def test_an_index_that_is_served_as_something_else(served: str, *, stated: bool) -> None:
    layout = Layout()
    children = [
        layout.image(name, architecture=name, platform={"os": "linux", "architecture": name})
        for name in ("amd64", "arm64")
    ]
    document = {"schemaVersion": 2, "manifests": children} | ({"mediaType": INDEX} if stated else {})
    entry = layout.json(document, INDEX)
    found, _ = images(Repository(layout, entry, *children), entry, served)
    assert [str(image.platform) for image in found] == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize("listed", [*LITTLE, MANIFEST.upper()])
def test_an_entry_of_an_index_that_says_little(listed: str, tmp_path: Path) -> None:
    layout = Layout()
    child = {**layout.image("one"), "mediaType": listed}
    entry = layout.index_of(child)
    found, layers = images(Repository(layout, entry, child), entry, INDEX)
    assert [layer.diff_id for layer in layers] == [sha256(layer_tar("one"))]
    for write in (layout.listing(entry).folder, layout.listing(child).folder):
        assert made(write(tmp_path / "in"), tmp_path / "out").layers[0].diff_id == layers[0].diff_id
    assert found


@pytest.mark.parametrize("stated", [*LITTLE, CONFIG.upper(), f"{CONFIG}; a=b"])
def test_a_config_that_says_little(stated: str, tmp_path: Path) -> None:
    """docker takes those: https://github.com/distribution/distribution/issues/1621."""
    layout = Layout()
    entry = layout.image("one", media_types={"config": stated})
    images(Repository(layout, entry), entry, MANIFEST)
    index = layout.index_of(entry, layout.image("two", platform={"os": "linux", "architecture": "arm64"}))
    for listed in (entry, index):
        check_whole(layout, listed, tmp_path)


def check_whole(layout: Layout, entry: Any, tmp_path: Path) -> None:
    path = layout.listing(entry).folder(tmp_path / "in")
    with sources.opened(path, SourceRequest()) as source:
        found = source.images() if isinstance(source, OpenedIndex) else (source.image(),)
    assert len(found) == (2 if entry["mediaType"] == INDEX else 1)


LAYERS: Final = {
    "docker, zstd": ("application/vnd.docker.image.rootfs.diff.tar.zstd", "+zstd"),
    "docker, plain": ("application/vnd.docker.image.rootfs.diff.tar", ""),
    "gzip with a dot": ("application/vnd.oci.image.layer.v1.tar.gzip", "+gzip"),
    "capital letters": (GZIP.upper(), "+gzip"),
    "a parameter": (f"{GZIP}; charset=binary", "+gzip"),
}
SNIFFED: Final = (
    "",
    "application/octet-stream",
    "application/x-gzip",
    "application/vnd.docker.container.image.rootfs.diff+x-gtar",
)
WRAP: Final[dict[str, Any]] = {
    "": bytes,
    "+gzip": gzip.compress,
    "+zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_of_another_spelling(name: str, tmp_path: Path) -> None:
    """It is not read for that."""
    media_type, suffix = LAYERS[name]
    layout = Layout()
    entry = layout.image("one", media_types={"layer": media_type}, wrap=WRAP[suffix])
    repository = Repository(layout, entry)
    _, layers = images(repository, entry, MANIFEST)
    assert layers[0].compressed
    assert layers[0].compressed.suffix == suffix
    assert repository.read == []
    check(made(layout.listing(entry).folder(tmp_path / "in"), tmp_path / "out"))


@pytest.mark.parametrize("suffix", WRAP)
@pytest.mark.parametrize("media_type", SNIFFED)
def test_a_layer_whose_type_says_nothing(media_type: str, suffix: str, tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image("one", media_types={"layer": media_type}, wrap=WRAP[suffix])
    _, layers = images(Repository(layout, entry), entry, MANIFEST)
    assert layers[0].compressed
    assert layers[0].compressed.suffix == suffix
    check(made(layout.listing(entry).folder(tmp_path / "in"), tmp_path / "out"))


def test_what_is_no_image_is_refused_by_its_right_name() -> None:
    layout = Layout()
    for content, words, hint in (
        ({"schemaVersion": 1, "fsLayers": []}, "a manifest of schema 1", "push it again"),
        ({"schemaVersion": 2, "mediaType": "application/x"}, "something of the media type", "`oras`"),
        ({"error": "not found"}, "something of the media type 'application/json'", "`oras`"),
    ):
        entry = layout.json(content, "application/json")
        with pytest.raises(NotAnImageError, match=words) as caught:
            images(Repository(layout, entry), entry, "application/json")
        assert hint in caught.value.hint
    odd = layout.image("one", media_types={"layer": "application/octet-stream"}, wrap=lambda tar: b"!" + tar)
    with pytest.raises(
        NotAnImageError, match="has an unknown media type, 'application/octet-stream', and is not a tar"
    ):
        images(Repository(layout, odd), odd, MANIFEST)


def test_xz_in_a_registry_has_no_name() -> None:
    """It can't be sent as it is, and what is not here is not packed anew."""
    layout = Layout()
    odd = layout.image("one", media_types={"layer": "application/octet-stream"}, wrap=lzma.compress)
    with pytest.raises(NotAnImageError, match="has an unknown media type"):
        images(Repository(layout, odd), odd, MANIFEST)


def test_an_entry_without_a_media_type_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """It counts as an image; a file of a stated kind does not."""
    layout = Layout()
    missing = {**layout.image("two"), "mediaType": ""}
    del layout.blobs[missing["digest"]]
    path = layout.listing(layout.index_of(layout.image("one"), missing)).folder(tmp_path / "in")
    with pytest.raises(NotAnImageError, match="is incomplete"):
        made(path, tmp_path / "out")


def test_files_that_say_little_make_no_image(tmp_path: Path) -> None:
    """Neither their config nor their layers say that they are an image: it is an artifact beside the image."""
    layout = Layout()
    files = {"config": "application/json", "layer": "application/octet-stream"}
    artifact = layout.image("file", media_types=files)
    path = layout.listing(layout.index_of(artifact, layout.image("one"))).folder(tmp_path / "in")
    assert json.loads(made(path, tmp_path / "out").config)
    assert made(path, tmp_path / "out").layers[0].diff_id == sha256(layer_tar("one"))
