"""What `inspect` shows to people: the index, the origin in words, sizes, and our own annotations folded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.inspect import _in_registry, inspect
from flakeship.commands.run import open_run
from flakeship.image.annotations import DERIVATION, RECIPE_OF, SEAL, SOURCE
from flakeship.report.inspection import (
    InspectedArtifact,
    InspectedIndex,
    InspectedLayer,
    Inspection,
    inspections_json,
    inspections_text,
)
from flakeship.report.origin import flake_of, origin_of
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime
from tests.sources.layouts import Layout
from tests.sources.stored_blobs import served
from tests.sources.test_indexes import AMD64, ARM64, artifact

DIGEST = "sha256:" + "1" * 64
REVISION = "3e7be6a5201e85a0065ca27c92c90e9c2ee51dd8"
OURS = {SOURCE: "/nix/store/aaa-app /nix/store/bbb-doc", DERIVATION: "x", SEAL: "y", RECIPE_OF: "1/gzip/2"}


def layer(size: int | None, unpacked: int | None) -> InspectedLayer:
    return InspectedLayer(DIGEST, DIGEST, size, (), "x", unpacked)


def image(
    *layers: InspectedLayer, labels: Any = None, annotations: dict[str, str] | None = None, index: Any = None
) -> Inspection:
    config = {"config": {"Labels": labels}} if labels is not None else {}
    return Inspection("name", DIGEST, "linux/amd64", (), config, annotations or {}, layers, index)


def rows(found: Inspection) -> list[list[str]]:
    return [line.split(maxsplit=1) for line in inspections_text([found]).partition("\n\n")[0].splitlines()]


@pytest.mark.parametrize(
    ("url", "flake"),
    [
        ("https://github.com/octo/harbour", "github:octo/harbour"),
        ("https://github.com/octo/harbour.git", "github:octo/harbour"),
        ("https://github.com/octo/harbour/", "github:octo/harbour"),
        ("https://gitlab.com/octo/harbour", "gitlab:octo/harbour"),
        ("https://git.sr.ht/~octo/harbour", "sourcehut:~octo/harbour"),
        ("https://gitlab.com/a/b/c", "https://gitlab.com/a/b/c"),
        ("https://github.com/octo", "https://github.com/octo"),
        ("https://github.com/octo/harbour/tree/main", "https://github.com/octo/harbour/tree/main"),
        ("https://github.com.example/octo/harbour", "https://github.com.example/octo/harbour"),
        ("https://git.example/o/r", "https://git.example/o/r"),
        ("", ""),
    ],
)
def test_a_repository_is_named_as_a_flake_is(url: str, flake: str) -> None:
    assert flake_of(url) == flake


@pytest.mark.parametrize(
    ("source", "revision", "words"),
    [
        ("https://github.com/o/r", REVISION, f"github:o/r at commit {REVISION}"),
        ("https://github.com/o/r", f"{REVISION}-dirty", f"github:o/r at commit {REVISION}, with changes that were not committed"),
        ("https://github.com/o/r", "", "github:o/r"),
        ("", REVISION, f"at commit {REVISION}"),
        ("https://git.example/o/r", "r123", "https://git.example/o/r at r123"),
        ("", "", ""),
        (5, ["x"], "5 at ['x']"),
    ],
)  # fmt: skip
def test_the_origin_is_said_in_words(source: object, revision: object, words: str) -> None:
    known = {"org.opencontainers.image.source": source, "org.opencontainers.image.revision": revision}
    assert origin_of(known) == words
    if words:
        told = f"from  {words}"[:105] if source else words
        assert ["built", told] in rows(image(labels=known))
    else:
        assert "built" not in [row[0] for row in rows(image(labels=known))]


def test_annotations_say_the_origin_where_labels_do_not() -> None:
    known = {"org.opencontainers.image.source": "https://github.com/o/r"}
    assert ["built", "from  github:o/r"] in rows(image(annotations=known))
    for labels in (5, ["a"], "x"):
        assert ["built", "from  github:o/r"] in rows(image(annotations=known, labels=labels))


def test_annotations_of_our_own_are_folded_and_whole_in_json() -> None:
    found = image(annotations={**OURS, "team": "north"})
    shown = rows(found)
    assert ["annotation", "team=north"] in shown
    assert ["annotation", "4 of flakeship's own (dev.flakeship.*), which --json shows"] in shown
    assert [row for row in shown if row[0] == "made"] == [
        ["made", "of     /nix/store/aaa-app"],
        ["made", "of     /nix/store/bbb-doc"],
    ]
    assert "dev.flakeship.seal" not in inspections_text([found])
    assert json.loads(inspections_json([found]))[0]["annotations"] == {**OURS, "team": "north"}
    assert "flakeship" not in inspections_text([image(annotations={"team": "north"})])


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([(1000, 3000), (2000, 5000)], "2 layers, 3.0 kB compressed, 8.0 kB unpacked"),
        ([(1000, None), (2000, 5000)], "2 layers, 3.0 kB compressed"),
        ([(1000, 1000)], "1 layer, 1.0 kB unpacked"),
        ([(None, None)], "1 layer"),
        ([(None, 5)], "1 layer, 5 B unpacked"),
        ([], "0 layers, 0 B unpacked"),
    ],
)
def test_sizes_are_said_as_far_as_they_are_known(layers: list[tuple[Any, Any]], words: str) -> None:
    found = image(*(layer(*sizes) for sizes in layers))
    assert inspections_text([found]).splitlines()[-1] == words
    document = json.loads(inspections_json([found]))[0]
    assert (document["size"], document["unpacked_size"]) == (found.size, found.unpacked)


def test_an_index_stands_before_what_it_lists() -> None:
    index = InspectedIndex("sha256:" + "2" * 64, {"team": "north", SEAL: "x"})
    beside = InspectedArtifact("name", DIGEST, "attestation", "", 5, {}, index)
    first, *others = inspections_text([image(index=index), beside]).split("\n\n")
    assert [line.split(maxsplit=1) for line in first.splitlines()] == [
        ["index", "name"],
        ["digest", index.digest],
        ["holds", "linux/amd64"],
        ["beside", "attestation"],
        ["annotation", "team=north"],
        ["annotation", "1 of flakeship's own (dev.flakeship.*), which --json shows"],
    ]
    assert [text.split(maxsplit=2)[0] for text in others if text.startswith("image")] == ["image", "image"]
    documents = json.loads(inspections_json([image(index=index), beside, image()]))
    wanted = {"digest": index.digest, "annotations": {"team": "north", SEAL: "x"}}
    assert [each["index"] for each in documents] == [wanted, wanted, None]


@pytest.mark.parametrize("where", ["registry", "folder"])
def test_digest_and_annotations_of_an_index_are_found(tmp_path: Path, where: str) -> None:
    layout = Layout()
    entry = layout.index_of(
        layout.image("a", platform=AMD64),
        layout.image("b", architecture="arm64", platform=ARM64),
        artifact(layout),
    )
    document = json.loads(layout.blobs[entry["digest"]]) | {"annotations": {"team": "north"}}
    entry = layout.json(document, entry["mediaType"])
    if where == "registry":
        found = _in_registry(served(layout, entry), "name", ())
    else:
        layout.listing(entry).folder(tmp_path / "in")
        with open_run(Settings(image="./in"), runtime(tmp_path)[0]) as run:
            found = inspect(Settings(image="./in"), run)
    assert [each.index for each in found] == [InspectedIndex(entry["digest"], {"team": "north"})] * 3
    assert [each.digest for each in found] == [each["digest"] for each in document["manifests"]]


@pytest.mark.parametrize("where", ["registry", "folder"])
@pytest.mark.parametrize(
    ("stated", "unpacked"),
    [("5120", 5120), ("", None), ("x", None), ("-5", None), ("9" * 16, None), (None, None)],
)
def test_the_size_that_a_layer_states_is_believed(
    tmp_path: Path, where: str, stated: str | None, unpacked: int | None
) -> None:
    """eStargz states it; what states nothing would have to be read."""
    layout = Layout()
    entry = layout.image("a")
    document = json.loads(layout.blobs[entry["digest"]])
    if stated is not None:
        document["layers"][0]["annotations"] = {"io.containers.estargz.uncompressed-size": stated}
    entry = layout.json(document, entry["mediaType"])
    if where == "registry":
        (found,) = _in_registry(served(layout, entry), "name", ())
    else:
        layout.listing(entry).folder(tmp_path / "in")
        with open_run(Settings(image="./in"), runtime(tmp_path)[0]) as run:
            (found,) = inspect(Settings(image="./in"), run)
    assert isinstance(found, Inspection)
    assert found.layers[0].unpacked == unpacked
    assert found.index is None


@pytest.mark.parametrize(
    ("labels", "row"),
    [
        ({"org.opencontainers.image.revision": REVISION}, f"built         at commit {REVISION}"),
        ({"org.opencontainers.image.source": "https://h/x"}, "built from    https://h/x"),
    ],
)
def test_a_commit_without_a_repository_is_no_place(labels: dict[str, str], row: str) -> None:
    lines = [
        " ".join(line.split()) for line in inspections_text([image(layer(1, 1), labels=labels)]).splitlines()
    ]
    assert " ".join(row.split()) in lines
