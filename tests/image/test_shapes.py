"""Every shape of archive, however compressed, becomes the same valid image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flakeship.image.compress import Algorithm
from flakeship.image.media_types import DOCKER
from flakeship.image.model import Descriptor, Digest
from flakeship.image.pack import _layer_json
from tests.image.making import WRAPS, check, compression, made, others
from tests.image.schemas import errors
from tests.testbed.archive_shapes import EMPTY_LAYER, SHAPES
from tests.testbed.archives import DIFF_IDS

SAME = [
    "config first", "skopeo base", "member twice", "./ prefixes", "pax headers", "GNU long names", "gzip layers",
]  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(SHAPES[request.param]())
    return path


@pytest.mark.parametrize("archive", SHAPES, indirect=True)
@pytest.mark.parametrize("algorithm", ["gzip", "zstd", "none"])
def test_what_we_emit_is_valid(archive: Path, tmp_path: Path, algorithm: Algorithm) -> None:
    packed = made(archive, tmp_path / "out", how=compression(algorithm))
    check(packed)
    assert errors("config", packed.config) == []
    objections = errors("image-manifest", packed.manifest)
    # the schema is stricter than the text of the specification, which allows an image without layers
    assert objections == ([] if packed.layers else [objections[0]])
    assert not objections or "[]" in objections[0]
    assert b"null" not in packed.config


@pytest.mark.slow
@pytest.mark.parametrize("archive", SHAPES, indirect=True)
def test_the_compression_of_the_archive_makes_no_difference(archive: Path, tmp_path: Path) -> None:
    data, digests = archive.read_bytes(), set()
    for name, wrap in WRAPS.items():
        archive.write_bytes(wrap(data))
        digests.add(made(archive, tmp_path / name).descriptor.digest)
    assert len(digests) == 1
    assert others() == set()


def test_shapes_of_one_image_are_one_image(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    digests = set()
    for name in SAME:
        path.write_bytes(SHAPES[name]())
        digests.add(made(path, tmp_path / "out").descriptor.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("archive", SHAPES, indirect=True)
def test_docker_media_types(archive: Path, tmp_path: Path) -> None:
    packed = made(archive, tmp_path / "out", family=DOCKER)
    document = json.loads(packed.manifest)
    assert document["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert document["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json"
    assert {layer["mediaType"] for layer in document["layers"]} <= {
        "application/vnd.docker.image.rootfs.diff.tar.gzip"
    }
    assert "annotations" not in document
    check(packed)


@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        ("layered", [0, 1, 2]),
        ("symlinked layer", [0, 1, 2, 0]),
        ("hardlinked layer", [0, 1, 2, 0]),
        ("repeated diff_id", [0, 1, 2, 1, 1]),
        ("member twice", [0, 1, 2]),
        ("no layers", []),
    ],
    indirect=["archive"],
)
@pytest.mark.parametrize("wrap", WRAPS)
def test_layers_keep_their_order(archive: Path, tmp_path: Path, wrap: str, expected: list[int]) -> None:
    archive.write_bytes(WRAPS[wrap](archive.read_bytes()))
    config = json.loads(made(archive, tmp_path / "out").config)
    assert config["rootfs"]["diff_ids"] == [f"sha256:{DIFF_IDS[number]}" for number in expected]


@pytest.mark.parametrize("archive", ["empty layer"], indirect=True)
def test_an_empty_layer_stays(archive: Path, tmp_path: Path) -> None:
    packed = made(archive, tmp_path / "out", how=compression("none"))
    assert packed.layers[-1].descriptor.size == len(EMPTY_LAYER)


@pytest.mark.parametrize("archive", ["nulls"], indirect=True)
def test_nulls_go_but_members_whose_names_count_stay(archive: Path, tmp_path: Path) -> None:
    config = json.loads(made(archive, tmp_path / "out").config)
    assert config["config"] == {
        "Cmd": ["", "/bin/hello"],
        "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
        "Volumes": {"/data": {}},
        "Labels": {"empty": ""},
        "Healthcheck": {"Test": ["CMD", "true"]},
    }
    assert "author" not in config


@pytest.mark.parametrize("archive", ["stray keys"], indirect=True)
def test_stray_keys_go_and_others_stay(archive: Path, tmp_path: Path) -> None:
    config = json.loads(made(archive, tmp_path / "out").config)
    assert "preferLocalBuild" not in config
    assert "allowSubstitutes" not in config
    assert config["os.version"] == "1"


def test_history_that_does_not_fit_is_dropped_and_one_that_does_stays(tmp_path: Path) -> None:
    lengths = []
    for name in ("history that does not fit", "history with empty layers"):
        (tmp_path / "archive").write_bytes(SHAPES[name]())
        lengths.append(
            len(json.loads(made(tmp_path / "archive", tmp_path / "out").config).get("history", []))
        )
    assert lengths == [0, 4]


def test_layers_of_docker_have_no_annotations() -> None:
    """Its manifests know none."""
    descriptor = Descriptor(DOCKER.layers["+gzip"], Digest(f"sha256:{'1' * 64}"), 1, {"a": "b"})
    assert _layer_json(descriptor, annotated=True)["annotations"] == {"a": "b"}
    assert "annotations" not in _layer_json(descriptor, annotated=False)
