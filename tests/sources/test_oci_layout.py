"""Images out of OCI layouts: what is kept, what is chosen, and one clear error for all that is broken."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import zstandard

from flakeship import events, sources
from flakeship.errors import Error, NotAnImageError, UsageError
from flakeship.image.media_types import DOCKER
from flakeship.image.model import Platform
from flakeship.image.stamp import labels_of, unstamped, with_created, with_labels, with_record
from flakeship.sources.opened import OpenedIndex, SourceRequest
from tests.image.making import check, made
from tests.sources.layouts import CONFIG, GZIP, MANIFEST, REF_NAME, Layout, layer_tar, sha256

REVISION = "org.opencontainers.image.revision"
Write: TypeAlias = Callable[[Layout, Path], Path]


@pytest.mark.parametrize("write", [Layout.folder, Layout.tar])
def test_compressed_layers_stay_as_they_are(tmp_path: Path, write: Write) -> None:
    layout = Layout()
    entry = layout.image("one", "two", change={"annotations": {"note": "kept"}})
    packed = made(write(layout.listing(entry), tmp_path / "source"), tmp_path / "out")
    check(packed)
    manifest = json.loads(packed.manifest)
    source = json.loads(layout.blobs[entry["digest"]])
    assert manifest["layers"] == source["layers"]
    assert set(manifest["annotations"].items()) >= {("note", "kept")}
    assert json.loads(packed.config) == json.loads(layout.blobs[source["config"]["digest"]])
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("wrap", "media_type", "suffix"),
    [
        (zstandard.ZstdCompressor().compress, "layer.v1.tar+zstd", "+zstd"),
        (gzip.compress, "layer.v1.tar", "+gzip"),  # bytes count, not what is said of them
        (bytes, "layer.v1.tar", "+gzip"),  # packed here
        (bytes, "layer.v1.tar+gzip", "+gzip"),
    ],
)
def test_compressions(tmp_path: Path, wrap: Any, media_type: str, suffix: str) -> None:
    layout = Layout()
    entry = layout.image(wrap=wrap, media_types={"layer": f"application/vnd.oci.image.{media_type}"})
    check(packed := made(layout.listing(entry).folder(tmp_path / "in"), tmp_path / "out"))
    assert packed.layers[0].descriptor.media_type == f"application/vnd.oci.image.layer.v1.tar{suffix}"


DOCKER_TYPES = {
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "config": "application/vnd.docker.container.image.v1+json",
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
}


def test_one_family_of_media_types(tmp_path: Path) -> None:
    layout = Layout()
    path = layout.listing(layout.image(media_types=DOCKER_TYPES)).folder(tmp_path / "in")
    assert made(path, tmp_path / "out").layers[0].descriptor.media_type == GZIP
    assert (
        made(path, tmp_path / "out", family=DOCKER).layers[0].descriptor.media_type == DOCKER_TYPES["layer"]
    )


def test_docker_has_no_word_for_zstd(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(
        wrap=zstandard.ZstdCompressor().compress,
        media_types={"layer": GZIP.replace("gzip", "zstd")},
    )
    with pytest.raises(UsageError, match="compressed with zstd") as caught:
        made(layout.listing(entry).folder(tmp_path / "in"), tmp_path / "out", family=DOCKER)
    assert "media-types: oci" in caught.value.hint


def test_a_manifest_without_media_types(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image(change={"mediaType": None})
    manifest = {key: value for key, value in json.loads(layout.blobs[entry["digest"]]).items() if value}
    bare = layout.json(manifest, MANIFEST)
    del bare["mediaType"]
    check(made(layout.listing(bare).folder(tmp_path / "in"), tmp_path / "out"))


@pytest.mark.parametrize(
    ("own", "stamped", "given"),
    [
        ({"own": "1"}, {"own": "2", "run": "first"}, {"own": "2", "run": "first"}),
        ({"own": "1"}, {REVISION: "abc", "a": "b"}, {"own": "1", "a": "b"}),
        ({REVISION: "nix's"}, {REVISION: "abc"}, {REVISION: "nix's"}),
        ({}, {REVISION: "abc"}, {}),
        ({}, {"a": "b"}, {"a": "b"}),
    ],
)
def test_facts_of_an_earlier_run_go_and_what_a_user_wrote_stays(
    own: dict[str, str], stamped: dict[str, str], given: dict[str, str], tmp_path: Path
) -> None:
    """What Nix made stays on record, however often an image is stamped and copied."""
    layout = Layout()
    path = layout.listing(layout.image(runtime={"Labels": own} if own else {})).folder(tmp_path / "in")

    def stamp(image: Any) -> Any:
        changed = with_created(with_labels(image, {**labels_of(image), **stamped}), datetime.now(UTC))
        return with_record(changed, image)

    for turn in range(2):
        packed = made(path, tmp_path / f"out{turn}", change=stamp)
        record = json.loads(packed.manifest)["annotations"]
        first, _ = unstamped(json.loads(packed.config), record)
        assert first.get("config", {}).get("Labels", {}) == own
        again = Layout(dict(layout.blobs))
        again.blob(packed.config, CONFIG)
        path = again.listing(again.blob(packed.manifest, MANIFEST)).folder(tmp_path / f"again{turn}")
        with sources.opened(path, SourceRequest()) as source:
            image = source.image()
        assert image.config.get("config", {}).get("Labels", {}) == given
        assert image.config.get("created") == first.get("created")


def test_a_record_that_lies_changes_no_layers(tmp_path: Path) -> None:
    layout = Layout()
    patch = json.dumps({"rootfs": {"diff_ids": []}, "history": None, "created": "2001-01-01T00:00:00Z"})
    entry = layout.image(change={"annotations": {"dev.flakeship.unstamp": patch}})
    check(packed := made(layout.listing(entry).folder(tmp_path / "in"), tmp_path / "out"))
    assert json.loads(packed.config)["created"] == "2001-01-01T00:00:00Z"


def opened_platforms(path: Path, **request: Any) -> list[str]:
    with sources.opened(path, SourceRequest(**request)) as source:
        images = source.images() if isinstance(source, OpenedIndex) else (source.image(),)
        keys = {layer.key for layer in source.layers()}
        assert keys == {key for image in images for key in image.layers}
        return [str(image.platform) for image in images]


ARM64 = Platform("linux", "arm64")


@pytest.mark.parametrize("write", [Layout.folder, Layout.tar])
@pytest.mark.parametrize("nested", [False, True])
def test_an_index_is_all_of_its_platforms(tmp_path: Path, write: Write, *, nested: bool) -> None:
    layout = Layout()
    entry = layout.platforms("amd64", "arm64")
    path = write(layout.listing(layout.index_of(entry) if nested else entry), tmp_path / "in")
    assert opened_platforms(path) == ["linux/amd64", "linux/arm64"]
    assert opened_platforms(path, platforms=(ARM64,)) == ["linux/arm64"]
    with pytest.raises(
        UsageError, match=r"`platforms` names linux/s390x, but .* holds linux/amd64, linux/arm64"
    ):
        opened_platforms(path, platforms=(replace(ARM64, architecture="s390x"),))


def test_index_json_may_be_the_index(tmp_path: Path) -> None:
    layout = Layout()
    children = json.loads(layout.blobs[layout.platforms("amd64", "arm64")["digest"]])["manifests"]
    assert opened_platforms(layout.listing(*children).folder(tmp_path / "in")) == [
        "linux/amd64",
        "linux/arm64",
    ]


def test_attestations_are_left_out(tmp_path: Path) -> None:
    layout = Layout()
    said: list[events.Event] = []
    nowhere = {"os": "unknown", "architecture": "unknown"}
    image = layout.image(platform={"os": "linux", "architecture": "amd64"})
    entry = layout.index_of(image, layout.image("statement", platform=nowhere))
    path = layout.listing(entry).folder(tmp_path / "in")
    assert opened_platforms(path, emit=said.append) == ["linux/amd64"]
    assert any(isinstance(event, events.Notice) and "1 entry is left out" in event.text for event in said)


def test_docker_save_leaves_out_the_platforms_it_has_not(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.platforms("amd64", "arm64")
    missing = json.loads(layout.blobs[entry["digest"]])["manifests"][1]
    del layout.blobs[missing["digest"]]
    path = layout.listing(entry).tar(tmp_path / "in", extra=[("manifest.json", b"[]")])
    assert opened_platforms(path) == ["linux/amd64"]
    with pytest.raises(NotAnImageError, match="is incomplete"):
        opened_platforms(layout.tar(tmp_path / "other"))


@pytest.mark.parametrize("wanted", ["registry.example/two:2", "2"])
def test_one_of_several_images(tmp_path: Path, wanted: str) -> None:
    layout = Layout()
    entries = [
        layout.image(name, annotations={REF_NAME: f"registry.example/{name}"}) for name in ("one:1", "two:2")
    ]
    path = layout.listing(*entries).folder(tmp_path / "in")
    packed = made(path, tmp_path / "out", image_in_archive=wanted)
    assert packed.layers[0].diff_id == sha256(layer_tar("two:2"))
    assert packed.image.names == ("registry.example/two:2",)
    with pytest.raises(NotAnImageError, match=r"holds 2 images: registry\.example/one:1, registry") as caught:
        made(path, tmp_path / "out")
    assert "`image-in-archive`" in caught.value.hint
    with pytest.raises(UsageError, match="'three' names no image of"):
        made(path, tmp_path / "out", image_in_archive="three")


def test_one_image_under_two_names_is_one(tmp_path: Path) -> None:
    layout = Layout()
    entries = [layout.image(annotations={REF_NAME: name}) for name in ("a", "b")]
    assert made(layout.listing(*entries).folder(tmp_path / "in"), tmp_path / "out").image.names == ("a", "b")


def first_layer(layout: Layout, **change: Any) -> dict[str, Any]:
    """The descriptor of an image whose first layer's descriptor is changed."""
    manifest = json.loads(layout.blobs[layout.image()["digest"]])
    manifest["layers"][0] |= change
    return layout.json(manifest, MANIFEST)


def without(layout: Layout, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    del layout.blobs[entry["digest"]]
    return entry


def rewritten(layout: Layout, data: bytes) -> Mapping[str, Any]:
    """An image whose layer is other bytes of the same length."""
    entry = layout.image()
    digest = json.loads(layout.blobs[entry["digest"]])["layers"][0]["digest"]
    layout.blobs[digest] = data.ljust(len(layout.blobs[digest]), b"!")[: len(layout.blobs[digest])]
    return entry


def deep(layout: Layout, levels: int) -> Mapping[str, Any]:
    entry = layout.platforms("amd64", "arm64")
    for _ in range(levels):
        entry = layout.index_of(entry)
    return entry


FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
NOT_DISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
BROKEN: Mapping[str, tuple[Callable[[Layout], Mapping[str, Any] | None], str]] = {
    "no entry": (lambda _: None, "lists no image"),
    "no manifest": (lambda layout: without(layout, layout.image()), "is incomplete: its blob"),
    "no layer": (lambda layout: first_layer(layout, digest=f"sha256:{'0' * 64}"), "is missing"),
    "size lies": (lambda layout: first_layer(layout, size=7), "bytes instead of 7"),
    "digest lies": (lambda layout: rewritten(layout, gzip.compress(b"")), "has other content than its digest says"),
    "not a digest": (lambda layout: first_layer(layout, digest="sha256:../../etc"), "a malformed descriptor"),
    "negative size": (lambda layout: first_layer(layout, size=-1), "a malformed descriptor"),
    "foreign": (lambda layout: first_layer(layout, mediaType=FOREIGN), "may not be distributed"),
    "windows": (lambda layout: first_layer(layout, mediaType=NOT_DISTRIBUTABLE), "may not be distributed"),
    "encrypted": (lambda layout: first_layer(layout, mediaType=f"{GZIP}+encrypted"), "is encrypted"),
    "unknown layer": (
        lambda layout: layout.image(media_types={"layer": "text/plain"}, wrap=lambda tar: b"!" + tar),
        "has an unknown media type, 'text/plain', and is not a tar",
    ),
    "artifact": (
        lambda layout: layout.image(media_types={"config": "application/vnd.cncf.helm.config.v1+json"}),
        "is not an image: its config has the media type",
    ),
    "unknown entry": (
        lambda layout: layout.json({"mediaType": "text/x-odd"}, "text/x-odd"), "'text/x-odd', which is not an image",
    ),
    "schema 1": (
        lambda layout: layout.json(
            {"schemaVersion": 1, "fsLayers": []}, "application/vnd.docker.distribution.manifest.v1+prettyjws"
        ),
        "a manifest of schema 1",
    ),
    "neither": (lambda layout: {**layout.json({}, MANIFEST), "mediaType": ""}, "which is not an image"),
    "no layers": (lambda layout: layout.image(change={"layers": None}), "lists no layers"),
    "too few layers": (lambda layout: layout.image(change={"layers": []}), "another number of diff_ids (1)"),
    "not JSON": (lambda layout: layout.blob(b"{", MANIFEST), "can't be read"),
    "too large": (lambda layout: layout.blob(b" " * (1 << 22) + b"{}", MANIFEST), "more than 4194304"),
    "annotations": (lambda layout: layout.image(change={"annotations": {"a": 1}}), "that are not text"),
    "too deep": (lambda layout: deep(layout, 4), "levels deep"),
    "empty index": (lambda layout: layout.index_of(), "an index without an image"),
    "endless index": (lambda layout: layout.index_of(*[layout.image()] * 201), "more than 200"),
    "diff_id lies": (
        lambda layout: layout.image(wrap=lambda tar: gzip.compress(tar + bytes(512))),
        "is not the one that the image's config names",
    ),
    "damaged": (lambda layout: layout.image(wrap=lambda tar: gzip.compress(tar)[:-9]), "can't be unpacked"),
}  # fmt: skip


@pytest.mark.parametrize("write", [Layout.folder, Layout.tar])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken(tmp_path: Path, write: Write, name: str) -> None:
    make, words = BROKEN[name]
    layout = Layout()
    entry = make(layout)
    path = write(layout.listing(*filter(None, [entry])), tmp_path / "in")
    with pytest.raises(Error) as caught:
        made(path, tmp_path / "out")
    assert isinstance(caught.value, NotAnImageError)
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("write", [Layout.folder, Layout.tar])
def test_versions(tmp_path: Path, write: Callable[..., Path]) -> None:
    layout = Layout()
    with pytest.raises(NotAnImageError, match=r"of version '2.0.0'") as caught:
        made(write(layout.listing(layout.image()), tmp_path / "in", version="2.0.0"), tmp_path / "out")
    assert "newer flakeship" in caught.value.hint


def test_a_folder_without_its_index(tmp_path: Path) -> None:
    path = Layout().folder(tmp_path / "in")
    (path / "index.json").unlink()
    with pytest.raises(NotAnImageError, match=r"has no index\.json"):
        made(path, tmp_path / "out")


def test_a_tar_that_is_cut_off(tmp_path: Path) -> None:
    layout = Layout()
    path = layout.listing(layout.image()).tar(tmp_path / "in")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(NotAnImageError, match="damaged archive"):
        made(path, tmp_path / "out")


@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
def test_a_pipe_in_a_layout_is_not_waited_for(tmp_path: Path, name: str) -> None:
    layout = Layout()
    path = layout.listing(layout.image("a")).folder(tmp_path / "in")
    (path / name).unlink()
    os.mkfifo(path / name)
    if name == "index.json":
        with pytest.raises(NotAnImageError), sources.opened(path, SourceRequest()):
            pass
    else:
        with sources.opened(path, SourceRequest()) as source:
            assert list(source.layers())
