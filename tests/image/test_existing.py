"""An image that exists already is read with distrust: what contradicts itself is no help, what can't be used again is left out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from flakeship.image.annotations import LAYER_KEY
from flakeship.image.document import decode_object
from flakeship.image.existing import existing_image
from tests.images import random_packed

PACKED = random_packed(5, 3, size=100)
MANIFEST = decode_object(PACKED.manifest)
CONFIG = decode_object(PACKED.config)


def changed(change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    manifest, config = copy.deepcopy(MANIFEST), copy.deepcopy(CONFIG)
    change(manifest, config)
    return manifest, config


def test_each_layer_is_known_by_its_diff_id_and_its_key() -> None:
    manifest, config = changed(lambda m, _: m["layers"][1].update(annotations={LAYER_KEY: "paths:1"}))
    image = existing_image("there", manifest, config)
    assert [layer.diff_id for layer in image.layers if layer] == [layer.diff_id for layer in PACKED.layers]
    assert [layer.digest for layer in image.layers if layer] == [
        layer.descriptor.digest for layer in PACKED.layers
    ]
    assert [layer.key for layer in image.layers if layer] == ["", "paths:1", ""]


@pytest.mark.parametrize(
    "change",
    [
        lambda m, c: m["layers"].pop(),
        lambda m, c: c["rootfs"]["diff_ids"].append("sha256:" + "0" * 64),
        lambda m, c: c["rootfs"]["diff_ids"].__setitem__(0, "sha256:../../etc"),
        lambda m, c: m["layers"][0].update(digest="sha256:short"),
        lambda m, c: m["layers"][0].update(size=-1),
        lambda m, c: m["layers"][0].update(size=True),
        lambda m, c: m["layers"][0].update(size=2**60),
        lambda m, c: m["layers"][0].update(annotations={"a": 1}),
        lambda m, c: m["layers"].__setitem__(0, "text"),
        lambda m, c: m.update(annotations=[]) or m.update(annotations=["a"]),
        lambda m, c: m.update(config={"mediaType": "application/vnd.oci.empty.v1+json"}),
        lambda m, c: (
            m.update(layers=m["layers"] * 4000) or c["rootfs"].update(diff_ids=c["rootfs"]["diff_ids"] * 4000)
        ),
        lambda m, c: m["layers"][0].update(mediaType="application/vnd.oci.image.layer.v1.tar"),
        lambda m, c: m["layers"][0].update(digest=c["rootfs"]["diff_ids"][0]),
        lambda m, c: m["layers"][0].update(digest=m["config"]["digest"], size=m["config"]["size"]),
        lambda m, c: c.pop("rootfs"),
    ],
)
def test_what_contradicts_itself_is_refused(change: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        existing_image("there", *changed(change))


def repeated(times: int) -> Callable[[dict[str, Any], dict[str, Any]], Any]:
    """The first layer so often."""

    def change(manifest: dict[str, Any], config: dict[str, Any]) -> None:
        manifest["layers"] = manifest["layers"][:1] * times
        config["rootfs"]["diff_ids"] = config["rootfs"]["diff_ids"][:1] * times

    return change


def test_a_thousand_layers_are_the_most() -> None:
    assert len(existing_image("there", *changed(repeated(1000))).layers) == 1000
    with pytest.raises(ValueError, match="more than 1000 layers"):
        existing_image("there", *changed(repeated(1001)))


@pytest.mark.parametrize(("size", "right"), [(0, False), (1, True), (2**50 - 1, True), (2**50, False)])
def test_a_size_is_one_that_a_blob_can_have(size: int, right: bool) -> None:
    documents = changed(lambda m, _: m["layers"][0].update(size=size))
    if right:
        assert existing_image("there", *documents).layers[0]
    else:
        with pytest.raises(ValueError, match="has the size"):
            existing_image("there", *documents)


def test_a_blob_that_comes_twice_is_one_layer_of_one_size() -> None:
    twice = changed(repeated(2))
    assert len(existing_image("there", *twice).layers) == 2
    for key, value in (("size", 7), ("digest", "sha256:" + "1" * 64)):
        manifest, config = changed(repeated(2))
        manifest["layers"] = [manifest["layers"][0], {**manifest["layers"][0], key: value}]
        if key == "size":
            with pytest.raises(ValueError, match="two things of its layer"):
                existing_image("there", manifest, config)
        else:
            assert len(existing_image("there", manifest, config).layers) == 2


@pytest.mark.parametrize(
    "entry",
    [
        {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"},
        {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"},
        {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
        {"urls": ["https://elsewhere.example/blob"]},
    ],
)
def test_layers_of_other_kinds_are_left_out(entry: dict[str, Any]) -> None:
    image = existing_image("there", *changed(lambda m, _: m["layers"][0].update(entry)))
    assert image.layers[0] is None
    assert all(image.layers[1:])


def test_a_record_that_is_broken_is_none() -> None:
    manifest, config = changed(lambda m, _: m.update(annotations={"dev.flakeship.unstamp": "{"}))
    assert existing_image("there", manifest, config).unstamped_config is None
    assert existing_image("there", MANIFEST, CONFIG).unstamped_config is None
