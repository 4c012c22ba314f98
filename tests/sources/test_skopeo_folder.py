"""The folder that `skopeo copy … dir:FOLDER` writes: of one image, of an index, and what is none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from flakeship import sources
from flakeship.errors import NotAnImageError
from flakeship.image.model import Platform
from flakeship.sources.opened import OpenedIndex, SourceRequest
from tests.image.making import check, made
from tests.sources.layouts import Layout, layer_tar, sha256


def folder(path: Path, layout: Layout, entry: Any, *children: Any) -> Path:
    """`entry` is the manifest; `children` are those that it lists, if it is an index."""
    path.mkdir()
    (path / "version").write_text("Directory Transport Version: 1.1\n")
    for digest, data in layout.blobs.items():
        name = digest.partition(":")[2]
        if digest == entry["digest"]:
            name = "manifest.json"
        elif digest in {child["digest"] for child in children}:
            name += ".manifest.json"
        (path / name).write_bytes(data)
    return path


def test_one_image(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image("one", "two")
    path = folder(tmp_path / "dir", layout, entry)
    packed = made(path, tmp_path / "out")
    check(packed)
    assert json.loads(packed.manifest)["layers"] == json.loads(layout.blobs[entry["digest"]])["layers"]
    (path / "version").unlink()
    assert made(path, tmp_path / "out").manifest == packed.manifest


def test_an_index(tmp_path: Path) -> None:
    """`skopeo copy --all`."""
    layout = Layout()
    children = [
        layout.image(name, architecture=name, platform={"os": "linux", "architecture": name})
        for name in ("amd64", "arm64")
    ]
    path = folder(tmp_path / "dir", layout, layout.index_of(*children), *children)
    with sources.opened(path, SourceRequest()) as source:
        assert isinstance(source, OpenedIndex)
        assert [str(image.platform) for image in source.images()] == ["linux/amd64", "linux/arm64"]
    packed = made(path, tmp_path / "out", platforms=(Platform("linux", "arm64"),))
    assert packed.layers[0].diff_id == sha256(layer_tar("arm64"))


def test_digests_by_another_algorithm(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image("one")
    manifest = json.loads(layout.blobs.pop(entry["digest"]))
    layer = manifest["layers"][0]
    data = layout.blobs.pop(layer["digest"])
    layer["digest"] = f"sha512:{hashlib.sha512(data).hexdigest()}"
    path = folder(tmp_path / "dir", layout, layout.json(manifest, entry["mediaType"]))
    (path / layer["digest"].partition(":")[2]).write_bytes(data)
    assert made(path, tmp_path / "out").layers[0].descriptor.digest == layer["digest"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path, blob: (path / blob).unlink(), "is incomplete: its blob"),
        (lambda path, blob: (path / blob).write_bytes(b"short"), "is incomplete: its blob"),
        (lambda path, blob: (path / "manifest.json").write_text('{"schemaVersion":1,"fsLayers":[]}'), "of schema 1"),
        (lambda path, blob: (path / "manifest.json").write_text('{"schemaVersion":2,"manifests":[]}'), "without an image"),
        (lambda path, blob: (path / "manifest.json").write_text('{"schemaVersion":1}'), "it is a folder"),
        (lambda path, blob: (path / "manifest.json").write_text("{}"), "is not an image: it is a folder"),
        (lambda path, blob: (path / "manifest.json").write_text("[]"), "is not an image: it is a folder"),
        (lambda path, blob: (path / "manifest.json").write_text("{"), "is not an image: it is a folder"),
    ],
)  # fmt: skip
def test_what_is_broken(tmp_path: Path, spoil: Any, words: str) -> None:
    layout = Layout()
    entry = layout.image("one")
    path = folder(tmp_path / "dir", layout, entry)
    layer = json.loads(layout.blobs[entry["digest"]])["layers"][0]["digest"]
    spoil(path, layer.partition(":")[2])
    with pytest.raises(NotAnImageError, match=words) as caught:
        made(path, tmp_path / "out")
    assert caught.value.hint


def test_a_blob_that_is_another(tmp_path: Path) -> None:
    layout = Layout()
    entry = layout.image("one")
    path = folder(tmp_path / "dir", layout, entry)
    layer = json.loads(layout.blobs[entry["digest"]])["layers"][0]["digest"].partition(":")[2]
    data = bytearray((path / layer).read_bytes())
    data[-1] ^= 1
    (path / layer).write_bytes(data)
    with pytest.raises(NotAnImageError, match="has other content than its digest says"):
        made(path, tmp_path / "out")
