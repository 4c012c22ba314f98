"""What an index lists: images are told from what stands beside them, and what entries say of images is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from flakeship import events, sources
from flakeship.commands.platforms import platform_of
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.index import seal_index
from flakeship.image.media_types import DOCKER, OCI, Family
from flakeship.image.model import Image, Packed
from flakeship.image.override import with_platform
from flakeship.image.pack import Packing, packed_layers, seal
from flakeship.sources.opened import OpenedIndex, SourceRequest
from flakeship.sources.stored import Stored
from flakeship.stores.temporary import TemporaryStore
from tests.image.making import compression
from tests.sources.layouts import CONFIG, GZIP, INDEX, MANIFEST, REF_NAME, Layout, layer_tar, sha256

EMPTY = "application/vnd.oci.empty.v1+json"
SPDX = "application/spdx+json"
IN_TOTO = "application/vnd.in-toto+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
AMD64, ARM64 = ({"os": "linux", "architecture": name} for name in ("amd64", "arm64"))
NOWHERE = {"os": "unknown", "architecture": "unknown"}


def artifact(
    layout: Layout, kind: str = SPDX, config: str = EMPTY, more: Mapping[str, Any] = {}, **entry: Any
) -> Any:
    """The descriptor of a manifest that holds a statement which is not an image; `more` is of the manifest."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.blob(b"{}", config),
        "layers": [layout.blob(b'{"a":1}', kind)],
        **more,
    }
    return layout.json(manifest, MANIFEST, **entry)


Beside: TypeAlias = Callable[[Layout], Any]
ARTIFACTS: Mapping[str, Beside] = {
    "without a platform": artifact,
    "with an empty platform": lambda layout: artifact(layout, platform={"os": "", "architecture": ""}),
    "with an empty architecture": lambda layout: artifact(
        layout, platform={"os": "linux", "architecture": ""}
    ),
    "with an OS alone": lambda layout: artifact(layout, platform={"os": "linux"}),
    "unknown to both": lambda layout: artifact(layout, platform=NOWHERE),
    "unknown, of a variant": lambda layout: artifact(layout, platform={**NOWHERE, "variant": "x"}),
    "for a platform": lambda layout: artifact(layout, platform=AMD64),
    "docker's attestation": lambda layout: artifact(
        layout, IN_TOTO, CONFIG, annotations={"vnd.docker.reference.type": "attestation-manifest"}
    ),
    "docker's attestation, missing": lambda layout: {
        **artifact(layout, annotations={"vnd.docker.reference.type": "attestation-manifest"}),
        "digest": f"sha256:{'0' * 64}",
    },
    "an artifact type in the entry": lambda layout: artifact(layout, config=CONFIG, artifactType=SPDX),
    "an artifact type in the manifest": lambda layout: layout.image("x", change={"artifactType": SPDX}),
    "the config of an image and layers of none": lambda layout: artifact(layout, IN_TOTO, CONFIG),
    "cosign's signature": lambda layout: artifact(
        layout, "application/vnd.dev.cosign.simplesigning.v1+json", CONFIG
    ),
    "a chart": lambda layout: artifact(layout, config="application/vnd.cncf.helm.config.v1+json"),
    "with a subject": lambda layout: artifact(
        layout, BUNDLE, more={"subject": layout.image(), "artifactType": BUNDLE}
    ),
    "no manifest": lambda layout: layout.blob(b"text", "text/plain"),
    "ORAS's own manifest": lambda layout: layout.json({}, "application/vnd.oci.artifact.manifest.v1+json"),
    "an index of artifacts": lambda layout: layout.index_of(artifact(layout, artifactType=SPDX)),
}


def listing(path: Path, **request: Any) -> tuple[list[Image], list[str]]:
    """The images of a layout, and of what kinds the artifacts beside them are."""
    with sources.opened(path, SourceRequest(**request)) as source:
        images = source.images() if isinstance(source, OpenedIndex) else (source.image(),)
        assert isinstance(source, Stored)
        return list(images), [each.kind for each in source.artifacts]


def platforms(images: list[Image]) -> list[str]:
    return [str(image.platform) for image in images]


@pytest.mark.parametrize("name", ARTIFACTS)
@pytest.mark.parametrize("first", [False, True])
def test_an_artifact_beside_images_is_left_out(tmp_path: Path, name: str, *, first: bool) -> None:
    layout, said = Layout(), list[events.Event]()
    images = [layout.image("a", platform=AMD64), layout.image("b", architecture="arm64", platform=ARM64)]
    other = ARTIFACTS[name](layout)
    entry = layout.index_of(*([other, *images] if first else [*images, other]))
    path = layout.listing(entry).folder(tmp_path / "in")
    found, kinds = listing(path, emit=said.append)
    assert platforms(found) == ["linux/amd64", "linux/arm64"]
    if name != "an index of artifacts":
        assert len(kinds) == 1
        assert kinds[0]
    assert any(isinstance(event, events.Notice) and "1 entry is left out" in event.text for event in said)
    for wanted in ("linux/amd64", "linux/aarch64"):
        assert len(listing(path, platforms=(platform_of(wanted),))[0]) == 1


@pytest.mark.parametrize("name", ARTIFACTS)
def test_an_artifact_beside_one_image_makes_no_index(tmp_path: Path, name: str) -> None:
    layout = Layout()
    path = layout.listing(layout.index_of(layout.image(), ARTIFACTS[name](layout))).folder(tmp_path / "in")
    assert platforms(listing(path)[0]) == ["linux/amd64"]
    assert platforms(listing(path, platforms=(platform_of("linux/amd64"),))[0]) == ["linux/amd64"]


@pytest.mark.parametrize("name", ARTIFACTS)
@pytest.mark.parametrize("named", [False, True])
def test_an_artifact_beside_the_image_of_a_layout_is_no_second_image(
    tmp_path: Path, name: str, *, named: bool
) -> None:
    layout = Layout()
    image = layout.image(annotations={REF_NAME: "1"})
    other = ARTIFACTS[name](layout)
    if named:
        other = {**other, "annotations": {**other.get("annotations", {}), REF_NAME: "sha256-0.sig"}}
    path = layout.listing(other, image).folder(tmp_path / "in")
    (found,), kinds = listing(path)
    assert found.names == ("1",)
    assert len(kinds) == 1
    assert listing(path, image_in_archive="1")[0][0].names == ("1",)


def test_images_that_are_two_are_two_all_the_same(tmp_path: Path) -> None:
    layout = Layout()
    images = [layout.image(name, annotations={REF_NAME: name}) for name in ("one", "two")]
    path = layout.listing(*images, artifact(layout)).folder(tmp_path / "in")
    with pytest.raises(NotAnImageError, match="holds 2 images: one, two"):
        listing(path)
    assert listing(path, image_in_archive="2")[0][0].names == ("two",)


@pytest.mark.parametrize("alone", [False, True])
def test_an_artifact_alone_is_no_image(tmp_path: Path, *, alone: bool) -> None:
    layout = Layout()
    entry = artifact(layout) if alone else layout.index_of(artifact(layout), artifact(layout, BUNDLE))
    words = "its config has the media type" if alone else "holds application"
    with pytest.raises(NotAnImageError, match=words):
        listing(layout.listing(entry).folder(tmp_path / "in"))


def test_what_has_a_platform_is_an_image_whatever_it_is_called(tmp_path: Path) -> None:
    layout = Layout()
    entries = [
        layout.image("a", platform=AMD64, artifactType="application/vnd.example.app"),
        layout.image("b", architecture="arm64", artifactType=CONFIG),
    ]
    path = layout.listing(layout.index_of(*entries)).folder(tmp_path / "in")
    images, kinds = listing(path)
    assert kinds == []
    assert [image.artifact_type for image in images] == ["application/vnd.example.app", CONFIG]


@pytest.mark.parametrize("break_it", ["missing", "not JSON"])
def test_what_is_not_asked_for_may_be_whatever_it_is(tmp_path: Path, break_it: str) -> None:
    layout = Layout()
    broken = layout.image("x", architecture="s390x", platform={"os": "linux", "architecture": "s390x"})
    if break_it == "missing":
        del layout.blobs[broken["digest"]]
    else:
        broken = layout.blob(b"{", MANIFEST, platform=broken["platform"])
    path = layout.listing(layout.index_of(broken, layout.image(platform=AMD64))).folder(tmp_path / "in")
    assert platforms(listing(path, platforms=(platform_of("linux/amd64"),))[0]) == ["linux/amd64"]
    with pytest.raises(NotAnImageError):
        listing(path)


@pytest.mark.parametrize(
    ("entry", "wanted", "found"),
    [
        ({"variant": "v8"}, "linux/arm64", "linux/arm64/v8"),
        ({"variant": "v8"}, "linux/aarch64", "linux/arm64/v8"),
        ({}, "linux/arm64/v8", "linux/arm64"),
        ({"architecture": "aarch64"}, "linux/arm64", "linux/aarch64"),
    ],
)
@pytest.mark.parametrize("stated", [False, True])
def test_a_platform_is_chosen_by_whatever_name(
    tmp_path: Path, entry: dict[str, str], wanted: str, found: str, *, stated: bool
) -> None:
    layout = Layout()
    platform = {**ARM64, **entry}
    images = [layout.image("a", platform=AMD64), layout.image("b", architecture="arm64", platform=platform)]
    if not stated:  # then the config says it
        images = [{key: value for key, value in image.items() if key != "platform"} for image in images]
    path = layout.listing(layout.index_of(*images)).folder(tmp_path / "in")
    chosen = platforms(listing(path, platforms=(platform_of(wanted),))[0])
    assert chosen == [found if stated else "linux/arm64"]
    with pytest.raises(UsageError, match="`platforms` names linux/riscv64"):
        listing(path, platforms=(platform_of("linux/riscv64"),))


def test_the_variant_that_is_meant_is_preferred(tmp_path: Path) -> None:
    layout = Layout()
    images = [
        layout.image(
            variant, architecture="arm", platform={"os": "linux", "architecture": "arm", "variant": variant}
        )
        for variant in ("v5", "v6", "v7")
    ]
    path = layout.listing(layout.index_of(*images)).folder(tmp_path / "in")
    chosen = {}
    for wanted in ("arm", "arm/v6", "armel", "armhf", "arm/v7"):
        with sources.opened(path, SourceRequest(platforms=(platform_of(f"linux/{wanted}"),))) as source:
            chosen[wanted] = next(iter(source.layers())).diff_id
    names = ("v7", "v6", "v6", "v7", "v7")

    assert chosen == dict(zip(chosen, [sha256(layer_tar(name)) for name in names], strict=True))


def published(path: Path, folder: Path, family: Family = OCI) -> dict[str, Any]:
    """The index that would be published."""
    folder.mkdir()
    packing = Packing(compression("gzip"), family, TemporaryStore(folder), 2)
    with sources.opened(path, SourceRequest()) as source:
        assert isinstance(source, OpenedIndex)
        layers = {layer.key: layer for layer in packed_layers(source.layers(), packing, forward_only=False)}
        images: list[Packed] = [seal(image, layers, family) for image in source.images()]
        index = seal_index(images, annotations=source.annotations, family=family)
    return dict(json.loads(index.manifest))


def windows(build: int, **more: Any) -> dict[str, Any]:
    return {
        "os": "windows",
        "architecture": "amd64",
        "os.version": f"10.0.{build}.1",
        "os.features": ["win32k"],
        **more,
    }


def test_what_entries_say_is_kept(tmp_path: Path) -> None:
    layout = Layout()
    said: list[dict[str, Any]] = [
        {"platform": windows(17763), "annotations": {"org.example.base": "nano"}},
        {"platform": windows(20348), "artifactType": CONFIG},
        {"platform": {**ARM64, "variant": "v8"}, "annotations": {"a": "1", "b": "2"}, "artifactType": "x/y"},
        {"platform": {"os": "linux", "architecture": "arm", "variant": "v6"}},
    ]
    children = [layout.image(str(number), **more) for number, more in enumerate(said)]
    entry = layout.json(
        {"mediaType": INDEX, "schemaVersion": 2, "manifests": children, "annotations": {"own": "1"}}, INDEX
    )
    index = published(layout.listing(entry).folder(tmp_path / "in"), tmp_path / "out")
    kept = [
        {key: entry[key] for key in ("platform", "annotations", "artifactType") if key in entry}
        for entry in index["manifests"]
    ]
    assert kept == said
    assert index["annotations"] == {"own": "1"}
    in_docker = published(tmp_path / "in", tmp_path / "docker", DOCKER)["manifests"]
    assert [entry["platform"] for entry in in_docker] == [each["platform"] for each in said]
    assert not any({"annotations", "artifactType"} & entry.keys() for entry in in_docker)


def test_what_an_entry_leaves_open_the_config_says(tmp_path: Path) -> None:
    layout = Layout()
    config = {**windows(17763), "config": {}, "rootfs": {"diff_ids": []}}
    manifest = {
        "mediaType": MANIFEST,
        "schemaVersion": 2,
        "config": layout.json(config, CONFIG),
        "layers": [],
    }
    bare = {"os": "windows", "architecture": "amd64"}
    entry = layout.index_of(layout.json(manifest, MANIFEST, platform=bare), layout.image(platform=AMD64))
    index = published(layout.listing(entry).folder(tmp_path / "in"), tmp_path / "out")
    assert index["manifests"][0]["platform"] == windows(17763)


def test_one_image_may_be_for_two_platforms(tmp_path: Path) -> None:
    layout = Layout()
    image = layout.image()
    entry = layout.index_of(*({**image, "platform": windows(build)} for build in (17763, 20348)))
    index = published(layout.listing(entry).folder(tmp_path / "in"), tmp_path / "out")
    assert [entry["platform"]["os.version"] for entry in index["manifests"]] == [
        "10.0.17763.1",
        "10.0.20348.1",
    ]


def test_names_of_a_layout_are_no_annotations_of_its_images(tmp_path: Path) -> None:
    layout = Layout()
    names = {REF_NAME: "1", "io.containerd.image.name": "docker.io/library/a:1"}
    children = [
        layout.image(
            name,
            architecture=name,
            platform={"os": "linux", "architecture": name},
            annotations={**names, "k": "v"},
        )
        for name in ("amd64", "arm64")
    ]
    index = published(layout.listing(*children).folder(tmp_path / "in"), tmp_path / "out")
    assert [entry["annotations"] for entry in index["manifests"]] == [{"k": "v"}] * 2


def test_a_layer_type_that_is_not_known_is_still_told(tmp_path: Path) -> None:
    layout = Layout()
    odd = layout.image(
        media_types={"layer": GZIP.replace("+gzip", "+lz4")}, wrap=lambda tar: b"\x04\x22\x4d\x18" + tar
    )
    path = layout.listing(layout.index_of(odd, layout.image(platform=AMD64))).folder(tmp_path / "in")
    with pytest.raises(NotAnImageError, match="unknown media type"):
        listing(path)


@pytest.mark.parametrize("beside", ["image", "nothing"])
def test_an_artifact_for_the_platform_that_is_asked_for_is_no_image_of_another(
    tmp_path: Path, beside: str
) -> None:
    layout = Layout()
    chart = artifact(layout, config="application/vnd.cncf.helm.config.v1+json", platform=ARM64)
    images = [layout.image("a", platform=AMD64)] if beside == "image" else []
    path = layout.listing(layout.index_of(*images, chart)).folder(tmp_path / "in")
    with pytest.raises(NotAnImageError, match=r"is application/vnd\.cncf\.helm"):
        listing(path, platforms=(platform_of("linux/arm64"),))


def test_artifacts_alone_are_named(tmp_path: Path) -> None:
    layout = Layout()
    chart = artifact(layout, config="application/vnd.cncf.helm.config.v1+json")
    path = layout.listing(layout.index_of(chart)).folder(tmp_path / "in")
    with pytest.raises(NotAnImageError, match=r"holds application/vnd\.cncf\.helm") as raised:
        listing(path)
    assert "oras" in raised.value.hint


def test_of_several_versions_of_windows_one_is_to_be_named(tmp_path: Path) -> None:
    """docker chooses by the host: https://github.com/moby/moby/issues/35090."""
    layout = Layout()
    images = [layout.image(str(build), os="windows", platform=windows(build)) for build in (17763, 20348)]
    path = layout.listing(layout.index_of(*images)).folder(tmp_path / "in")
    with pytest.raises(UsageError) as caught:
        listing(path, platforms=(platform_of("windows/amd64"),))
    assert "windows(10.0.17763.1)/amd64, windows(10.0.20348.1)/amd64" in caught.value.message
    wanted = platform_of("windows(10.0.20348.1)/amd64")
    with sources.opened(path, SourceRequest(platforms=(wanted,))) as source:
        image = source.image()
        assert next(iter(source.layers())).diff_id == sha256(layer_tar("20348"))
    assert image.platform.os_version == "10.0.20348.1"
    assert with_platform(image, wanted).config["os.version"] == "10.0.20348.1", "no index says it any more"
