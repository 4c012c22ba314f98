"""A previous image that lies in every way: it may cost the reuse, and never makes a wrong image or ends the run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from flakeship.image.annotations import LAYER_KEY
from tests.e2e.forging import INDEX, MANIFEST, Change, Document, Forged, digest_of, layer
from tests.testbed.registry import FaultProxy, Registry
from tests.testbed.registry_proxy import fault_proxy

pytestmark = pytest.mark.slow

LAYERS: Final = [layer(name, size=5000) for name in ("one", "two", "three")]
NUMBERS: Final = itertools.count()
ABSENT: Final = f"sha256:{'ab' * 32}"
UNSTAMP: Final = "dev.flakeship.unstamp"
SOURCE: Final = "dev.flakeship.source"


@pytest.fixture(scope="module")
def honest(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A repository with an image that is what it says."""
    with fault_proxy(registry.host) as proxy:
        made = Forged(registry, proxy, tmp_path_factory.mktemp("honest"), LAYERS, tag="honest")
        made.publish(labels=("a=1",))
        return made.repository


@pytest.fixture
def forged(registry: Registry, proxy: FaultProxy, tmp_path: Path, honest: str) -> Forged:
    tag = f"forged-{next(NUMBERS)}"
    return Forged(registry, proxy, tmp_path, LAYERS, repository=honest, tag=tag, basis="honest")


def every(key: str, value: Any) -> Change:
    """One key of each layer's descriptor."""

    def change(manifest: Document, _: Document) -> None:
        for entry in manifest["layers"]:
            entry[key] = value

    return change


def first(**changes: Any) -> Change:
    return lambda manifest, _: manifest["layers"][0].update(changes)


def annotated(**values: Any) -> Change:
    return lambda manifest, _: manifest.setdefault("annotations", {}).update(
        {f"dev.flakeship.{key}": value for key, value in values.items()}
    )


def many(count: int) -> Change:
    def change(manifest: Document, config: Document) -> None:
        manifest["layers"] = manifest["layers"][:1] * count
        config["rootfs"]["diff_ids"] = config["rootfs"]["diff_ids"][:1] * count

    return change


def in_index(entries: Callable[[Document], list[Any]]) -> Change:
    """An index in place of the manifest."""

    def change(manifest: Document, _: Document) -> bytes:
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries(manifest)}).encode()

    return change


def swapped(manifest: Document, config: Document) -> None:
    manifest["layers"][:2] = manifest["layers"][1::-1]
    config["rootfs"]["diff_ids"][:2] = config["rootfs"]["diff_ids"][1::-1]


def nested(depth: int) -> str:
    return '{"a":' * depth + "{}" + "}" * depth


DEEP: Final = nested(10_000)
FOREIGN: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

LIES: Final[Mapping[str, Change]] = {
    "a layer less": lambda m, _: m["layers"].pop(),
    "a diff_id more": lambda _, c: c["rootfs"]["diff_ids"].append(ABSENT),
    "no diff_ids": lambda _, c: c.pop("rootfs"),
    "diff_ids that are none": lambda _, c: c["rootfs"].update(diff_ids=[1, None, {}]),
    "diff_ids that are paths": lambda _, c: c["rootfs"]["diff_ids"].__setitem__(0, "sha256:../../etc/passwd"),
    "layers in another order": swapped,
    "the same layer for each": lambda m, _: m.update(layers=m["layers"][:1] * 3),
    "size 0": every("size", 0),
    "sizes below 0": every("size", -5),
    "sizes beyond all bounds": every("size", 2**62),
    "sizes that are text": every("size", "12"),
    "sizes that are true": every("size", True),
    "no sizes": lambda m, _: [entry.pop("size") for entry in m["layers"]],
    "a digest twice with two sizes": lambda m, c: (
        m["layers"].append({**m["layers"][0], "size": 7}),
        c["rootfs"]["diff_ids"].append(c["rootfs"]["diff_ids"][0]),
    ),
    "media types that say plain": every("mediaType", "application/vnd.oci.image.layer.v1.tar"),
    "media types that say zstd": every("mediaType", "application/vnd.oci.image.layer.v1.tar+zstd"),
    "media types of docker": every("mediaType", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    "media types of nobody": every("mediaType", "text/plain; charset=utf-8"),
    "media types that are lists": every("mediaType", ["application/vnd.oci.image.layer.v1.tar+gzip"]),
    "media types that are objects": every("mediaType", {}),
    "no media types": lambda m, _: [entry.pop("mediaType") for entry in m["layers"]],
    "foreign layers": every("mediaType", FOREIGN),
    "layers that lie elsewhere": every("urls", ["https://elsewhere.example/blob"]),
    "urls that are none": every("urls", 7),
    "encrypted layers": every("mediaType", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
    "zstd:chunked layers": first(
        mediaType="application/vnd.oci.image.layer.v1.tar+zstd",
        annotations={"io.github.containers.zstd-chunked.manifest-checksum": ABSENT},
    ),
    "layers that are not there": every("digest", ABSENT),
    "layers that are no objects": lambda m, _: m.update(layers=[None, 1, []]),
    "layers that are an object": lambda m, _: m.update(layers={}),
    "no layers": lambda m, _: m.pop("layers"),
    "ten thousand layers": many(10_000),
    "a config that does not exist": lambda m, _: m["config"].update(digest=ABSENT),
    "no config": lambda m, _: m.pop("config"),
    "a config that is a list": lambda m, _: m.update(config=[]),
    "a config of another type": lambda m, _: m["config"].update(
        mediaType="application/vnd.oci.empty.v1+json"
    ),
    "a config whose type is a list": lambda m, _: m["config"].update(mediaType=[]),
    "a config that is a layer": lambda m, _: m["config"].update(digest=m["layers"][0]["digest"]),
    "a config of the size of a lie": lambda m, _: m["config"].update(size=3),
    "a config that is huge": lambda _, c: c.update(author="x" * (5 << 20)),
    "a config that is nested deeply": lambda _, c: c.update(author=json.loads(nested(500))),
    "a config of another platform": lambda _, c: c.update(os="windows", architecture="arm64"),
    "no JSON": lambda *_: b"<html>welcome to our wifi</html>",
    "nothing": lambda *_: b"",
    "no object": lambda *_: b"[]",
    "JSON that is nested deeply": lambda *_: DEEP.encode(),
    "keys that come twice": lambda m, _: json.dumps(m).replace("{", '{"layers":[],', 1).encode(),
    "not UTF-8": lambda *_: b'{"layers":"\xff"}',
    "numbers beyond all bounds": lambda *_: b'{"schemaVersion":' + b"9" * 9999 + b"}",
    "more than 4 MiB": lambda m, _: json.dumps({**m, "annotations": {"a": "x" * (5 << 20)}}).encode(),
    "annotations that are a list": lambda m, _: m.update(annotations=["a"]),
    "annotations that are no text": annotated(source=1),
    "an index of a thousand": in_index(lambda m: [{**m["config"], "digest": ABSENT}] * 1000),
    "an index of none": in_index(lambda _: []),
    "an index of things that are none": in_index(lambda _: [None, 1, {}]),
    "an index that is no list": lambda *_: json.dumps({"mediaType": INDEX, "manifests": {}}).encode(),
    "an index whose type is a list": lambda *_: json.dumps({"mediaType": [], "manifests": []}).encode(),
    "a record that is no JSON": annotated(unstamp="{"),
    "a record that is no object": annotated(unstamp="[1]"),
    "a record that is nested deeply": annotated(unstamp=DEEP),
    "a record of other layers": annotated(unstamp=json.dumps({"rootfs": {"diff_ids": [ABSENT] * 3}})),
    "a record without layers": annotated(unstamp='{"rootfs":null}'),
    "a record of half a surrogate": annotated(unstamp='{"author":"\\ud800"}'),
    "another recipe": annotated(recipe="99/gzip/2"),
    "keys of layers that lie": first(annotations={LAYER_KEY: f"{'0' * 64}/layer.tar"}),
    "names with spaces and lines": annotated(names="a:b\nc:d /etc/passwd\0"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_of_structure_costs_the_reuse_at_most(forged: Forged, lie: str) -> None:
    forged.forge(LIES[lie], reseal=True)
    forged.publish(labels=("a=2",))
    assert forged.proxy.pending == 0, "it was not looked at"
    forged.assert_right(labels={"a": "2"})


@pytest.mark.parametrize("lie", ["size 0", "keys of layers that lie", "layers in another order", "no JSON"])
def test_the_same_from_a_stream(forged: Forged, lie: str) -> None:
    forged.shape = "tar.gz"
    forged.forge(LIES[lie], reseal=True)
    forged.publish(labels=("a=2",))
    forged.assert_right(labels={"a": "2"})


@pytest.mark.parametrize("liar", [0, 1])
def test_one_blob_of_which_two_images_say_two_things(forged: Forged, liar: int) -> None:
    """It is not named in the end, so that nobody asks any more how large it is."""
    forged.layers = [*LAYERS[:2], layer("four")]
    manifest, config = forged.documents("honest")
    *diff_ids, _ = config["rootfs"]["diff_ids"]
    entries = []
    for number, diff_id in enumerate(diff_ids):
        document = json.dumps({**config, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
        blob = {**manifest["layers"][2], "size": manifest["layers"][2]["size"] + (number == liar)}
        child = {**manifest, "config": manifest["config"] | forged.put_blob(document), "layers": [blob]}
        data = json.dumps(child).encode()
        assert forged.put_manifest(data, MANIFEST, digest_of(data))
        entries.append({"mediaType": MANIFEST, "digest": digest_of(data), "size": len(data)})
    assert forged.put_manifest(json.dumps({"schemaVersion": 2, "manifests": entries}).encode(), INDEX)
    forged.publish(labels=("a=2",))
    forged.assert_right(labels={"a": "2"})


def other_diff_ids(manifest: Document, config: Document) -> None:
    """One layer's blob under the name of another."""
    config["rootfs"]["diff_ids"][:2] = config["rootfs"]["diff_ids"][1::-1]


CLEVER: Final[Mapping[str, Change]] = {
    "sizes that may be": every("size", 4999),
    "diff_ids of other layers": other_diff_ids,
    "blobs of other layers": lambda m, _: m.update(layers=m["layers"][::-1]),
    "no labels any more": lambda _, c: c["config"].pop("Labels"),
}
"""Nothing in these contradicts itself."""


@pytest.mark.parametrize("reseal", [False, True])
@pytest.mark.parametrize("lie", ["sizes that may be", "no labels any more"])
@pytest.mark.parametrize("shape", ["tar", "tar.gz"])
def test_each_size_is_compared_with_the_registrys(
    forged: Forged, lie: str, shape: str, *, reseal: bool
) -> None:
    """Registries take a manifest whose sizes are wrong, so that a manifest vouches for none."""
    forged.shape = shape
    forged.forge(CLEVER[lie], reseal=reseal)
    forged.publish(labels=("a=2",))
    forged.assert_right(labels={"a": "2"})
    assert len(forged.read) == (3 if "sizes" in lie else 0)


@pytest.mark.parametrize("reseal", [False, True])
@pytest.mark.parametrize("lie", CLEVER)
def test_with_verify_nobody_is_believed(forged: Forged, lie: str, *, reseal: bool) -> None:
    forged.forge(CLEVER[lie], reseal=reseal)
    forged.publish(labels=("a=2",), reuse="verify")
    forged.assert_right(labels={"a": "2"})


def test_who_may_write_is_believed(forged: Forged) -> None:
    """What docs/how-it-works.md says of the boundary of trust: with `trust` a writer's word is as good as ours."""
    forged.forge(other_diff_ids, reseal=True)
    forged.publish(labels=("a=2",))
    assert not forged.read
    with pytest.raises(AssertionError):
        forged.assert_right()
    forged.publish(labels=("a=2",), reuse="off")
    forged.assert_right()
