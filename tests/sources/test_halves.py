"""What `docker save` writes is a layout and an archive of docker's own: one good half is enough. And layouts that lack a part."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from flakeship import events, sources
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.model import Platform
from flakeship.sources.opened import Opened, SourceRequest
from tests.image.making import check, made
from tests.sources.layouts import REF_NAME, Layout, layer_tar, sha256
from tests.testbed.archive_shapes import Item, packed

NAME: Final = "example.org/app:1"


def saved(change: Mapping[str, Any] | None = None) -> tuple[Layout, bytes]:
    """The layout of one image, and the manifest.json that names its blobs. `change` is of the manifest in the layout."""
    layout = Layout()
    good = json.loads(layout.blobs[layout.image("one", "two")["digest"]])
    layout.listing(layout.image("one", "two", annotations={REF_NAME: NAME}, change=change))
    blobs = [f"blobs/{each['digest'].replace(':', '/')}" for each in (good["config"], *good["layers"])]
    return layout, json.dumps([{"Config": blobs[0], "RepoTags": [NAME], "Layers": blobs[1:]}]).encode()


def archive(path: Path, files: Mapping[str, bytes]) -> Path:
    path.write_bytes(packed([Item(name, data) for name, data in files.items()]))
    return path


Break: Any = Callable[[Layout, dict[str, bytes]], None]


HALVES: Final[Mapping[str, tuple[Mapping[str, Any], Break]]] = {
    "layers are null": ({"layers": None}, lambda layout, files: None),
    "no layers": ({"layers": []}, lambda layout, files: None),
    "no config": ({"config": None}, lambda layout, files: None),
    "a config of another kind": ({"config": {"mediaType": "x/y", "digest": sha256(b""), "size": 0}}, lambda layout, files: None),
    "no manifest": ({}, lambda layout, files: files.pop(f"blobs/{layout.index['manifests'][0]['digest'].replace(':', '/')}")),
    "no index.json": ({}, lambda layout, files: files.pop("index.json")),
    "index.json is none": ({}, lambda layout, files: files.update({"index.json": b"{"})),
    "index.json lists nothing": ({}, lambda layout, files: files.update({"index.json": b'{"manifests":[]}'})),
    "index.json lists null": ({}, lambda layout, files: files.update({"index.json": b'{"manifests":null}'})),
    "oci-layout is none": ({}, lambda layout, files: files.update({"oci-layout": b"\0"})),
    "another version": ({}, lambda layout, files: files.update({"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'})),
}  # fmt: skip


@pytest.mark.parametrize("name", HALVES)
def test_a_broken_half_of_docker_save(tmp_path: Path, name: str) -> None:
    """The other half is read, and the broken one is spoken of."""
    change, break_ = HALVES[name]
    layout, manifest = saved(change)
    files = layout.files() | {"manifest.json": manifest}
    break_(layout, files)
    said: list[events.Event] = []
    packed = made(archive(tmp_path / "in", files), tmp_path / "out", emit=said.append)
    check(packed)
    assert [found.diff_id for found in packed.layers] == [sha256(layer_tar(text)) for text in ("one", "two")]
    assert packed.image.names == (NAME,)
    warned = [event for event in said if isinstance(event, events.Warned)]
    assert "so its manifest.json is read" in warned[0].text
    alone = archive(
        tmp_path / "alone", {key: value for key, value in files.items() if key != "manifest.json"}
    )
    with pytest.raises(NotAnImageError) as caught:
        made(alone, tmp_path / "out")
    assert caught.value.hint


@pytest.mark.parametrize("name", ["layers are null", "no index.json", "another version"])
def test_two_broken_halves_are_an_error_of_the_first(tmp_path: Path, name: str) -> None:
    change, break_ = HALVES[name]
    layout, _ = saved(change)
    for manifest in (b"[]", b"{", b'[{"Config":"none","Layers":[]}]'):
        files = layout.files()
        break_(layout, files)
        with pytest.raises(NotAnImageError, match=r"lists no layers|has no index\.json|version '2\.0\.0'"):
            made(archive(tmp_path / "in", files | {"manifest.json": manifest}), tmp_path / "out")


def test_both_halves_good_is_the_layout(tmp_path: Path) -> None:
    """It alone says how its blobs are compressed."""
    layout, manifest = saved()
    said: list[events.Event] = []
    path = archive(tmp_path / "in", layout.files() | {"manifest.json": manifest})
    packed = made(path, tmp_path / "out", emit=said.append)
    assert {str(layer.descriptor.digest) for layer in packed.layers} <= set(layout.blobs)
    assert not any(isinstance(event, events.Warned) for event in said)


def opened(path: Path, **request: Any) -> Opened:
    with sources.opened(path, SourceRequest(**request)) as source:
        return source


def test_a_broken_half_is_no_choice_of_several(tmp_path: Path) -> None:
    """Where the layout holds several images, or another platform is asked for, docker's half doesn't choose one."""
    layout = Layout()
    entries = [layout.image(text, annotations={REF_NAME: text}) for text in ("one", "two")]
    good, manifest = saved()
    files = good.files() | layout.listing(*entries).files() | {"manifest.json": manifest}
    path = archive(tmp_path / "several", files)
    with pytest.raises(NotAnImageError, match="holds 2 images"):
        opened(path)
    broken, manifest = saved({"layers": None})
    path = archive(tmp_path / "broken", broken.files() | {"manifest.json": manifest})
    with pytest.raises(NotAnImageError, match="lists no layers"):
        opened(path, platforms=(Platform("linux", "s390x"),))
    with pytest.raises((NotAnImageError, UsageError)):
        opened(path, image_in_archive="another")
    assert opened(path, platforms=(Platform("linux", "amd64"),)).image().names == (NAME,)


def test_a_layout_without_its_oci_layout_file(tmp_path: Path) -> None:
    """Neither skopeo nor crane look for it."""
    layout = Layout()
    layout.listing(layout.image("one"))
    folder = layout.folder(tmp_path / "folder")
    expected = made(folder, tmp_path / "out").manifest
    (folder / "oci-layout").unlink()
    files = {name: data for name, data in layout.files().items() if name != "oci-layout"}
    plain = archive(tmp_path / "plain", files)
    (tmp_path / "gzip").write_bytes(gzip.compress(plain.read_bytes(), 1))
    below = archive(tmp_path / "below", {f"a/b/{name}": data for name, data in files.items()})
    for path in (folder, plain, tmp_path / "gzip", below):
        assert made(path, tmp_path / "out").manifest == expected


def test_an_index_beside_docker_manifest_without_oci_layout_is_dockers(tmp_path: Path) -> None:
    layout, manifest = saved()
    files = layout.files() | {"manifest.json": manifest}
    del files["oci-layout"]
    packed = made(archive(tmp_path / "in", files), tmp_path / "out")
    assert packed.layers[0].member.startswith("blobs/")


def test_several_layouts_in_a_tar(tmp_path: Path) -> None:
    layout = Layout()
    files = layout.listing(layout.image("one")).files()
    two = {f"{folder}/{name}": data for folder in ("a", "b/c") for name, data in files.items()}
    path = archive(tmp_path / "two", two)
    with pytest.raises(NotAnImageError, match=r"holds 2 image layouts, in the folders 'a', 'b/c'") as caught:
        opened(path)
    assert "unpack the archive" in caught.value.hint
    assert made(archive(tmp_path / "root", two | files), tmp_path / "out").layers


def test_a_layout_in_a_folder_beside_an_archive_of_docker(tmp_path: Path) -> None:
    """What stands at the root is meant."""
    layout, manifest = saved()
    files = layout.files()
    blobs = {name: data for name, data in files.items() if name.startswith("blobs/")}
    nested = {f"other/{name}": data for name, data in files.items()}
    packed = made(archive(tmp_path / "in", nested | blobs | {"manifest.json": manifest}), tmp_path / "out")
    assert packed.image.names == (NAME,)


def test_two_blobs_of_one_tar_stay_two(tmp_path: Path) -> None:
    layout = Layout()
    tar = layer_tar("one")
    levels = iter((1, 9, 1))
    entry = layout.image("one", "one", "one", wrap=lambda data: gzip.compress(data, next(levels), mtime=0))
    listed = json.loads(layout.blobs[entry["digest"]])["layers"]
    assert len({each["digest"] for each in listed}) == 2
    packed = made(layout.listing(entry).folder(tmp_path / "in"), tmp_path / "out")
    check(packed)
    assert json.loads(packed.manifest)["layers"] == listed
    assert {layer.diff_id for layer in packed.layers} == {sha256(tar)}


def test_two_blobs_of_one_tar_stay_two_in_an_index(tmp_path: Path) -> None:
    """Each platform keeps its own; a plain blob is no second layer beside its diff_id."""
    layout = Layout()
    children = [
        layout.image("one", architecture=name, wrap=wrap, platform={"os": "linux", "architecture": name})
        for name, wrap in (
            ("amd64", lambda data: gzip.compress(data, 1, mtime=0)),
            ("arm64", lambda data: gzip.compress(data, 9, mtime=0)),
            ("s390x", bytes),
            ("ppc64le", bytes),
        )
    ]
    blobs = [json.loads(layout.blobs[child["digest"]])["layers"][0]["digest"] for child in children]
    with sources.opened(
        layout.listing(layout.index_of(*children)).folder(tmp_path / "in"), SourceRequest()
    ) as source:
        layers = {layer.key: layer for layer in source.layers()}
    assert len(layers) == 3
    assert [layer.compressed.digest for layer in layers.values() if layer.compressed] == blobs[:2]
    assert {layer.diff_id for layer in layers.values()} == {sha256(layer_tar("one"))}
