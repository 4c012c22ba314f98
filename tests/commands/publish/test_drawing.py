"""What is drawn of an image: as much as its history and Nix tell, and not more; and the files that lie beside the metadata file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from flakeship import events
from flakeship.commands.publish.drawing import (
    StoredBlob,
    StoredImage,
    contents_of_images,
    largest_packages,
    write_pictures,
)
from flakeship.commands.publish.metadata_file import picture_files, remove_metadata
from flakeship.commands.run import Run
from flakeship.report.picture.model import Contents
from tests.report.picture.example import harbour, path_of

NO_RUN = cast("Run", None)
"""No store path of these tests is on this machine, so Nix is not asked."""


def stored(*comments: str | None, blobs: int | None = None) -> StoredImage:
    """An image with a layer of so many hundred bytes for each comment; None is an entry without a layer."""
    history: list[dict[str, Any]] = [
        {"empty_layer": True} if comment is None else {"comment": comment} for comment in comments
    ]
    number = blobs if blobs is not None else sum(comment is not None for comment in comments)
    return StoredImage(history, [StoredBlob(f"sha256:{place}", 100 * (place + 1)) for place in range(number)])


def drawn(image: StoredImage) -> Contents:
    (contents,) = contents_of_images("o/n:1", {"linux/amd64": image}, NO_RUN)
    return contents


def test_without_sizes_of_packages_a_layer_has_that_of_its_blob_and_their_names() -> None:
    named = f"store paths: ['{path_of('a-1')}', '{path_of('b-2')}']"
    contents = drawn(stored(named, None, "COPY . /srv"))
    assert [(layer.number, layer.size, layer.measure, layer.label) for layer in contents.layers] == [
        (1, 100, "compressed", "2 packages"),
        (2, 200, "compressed", "COPY . /srv"),
    ]
    assert [package.name for package in contents.layers[0].packages] == ["a-1", "b-2"]
    assert largest_packages([contents]) == ()


def test_sizes_that_another_machine_told_are_taken() -> None:
    told = {path_of("a-1"): 7000, path_of("b-2"): 500}
    image = stored(
        f"store paths: ['{path_of('a-1')}', '{path_of('b-2')}']", f"store paths: ['{path_of('c-3')}']"
    )
    (contents,) = contents_of_images("o/n:1", {"linux/amd64": image}, NO_RUN, known=told)
    assert [(layer.size, layer.measure) for layer in contents.layers] == [
        (7500, "unpacked"),
        (200, "compressed"),
    ]
    assert largest_packages([contents]) == (("a-1", 7000), ("b-2", 500))


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        (stored("one", "two", blobs=3), ["layer 1", "layer 2", "layer 3"]),
        (stored(f"store paths: ['{path_of('app-customisation-layer')}']"), None),
        (StoredImage([], []), []),
        (StoredImage([{"comment": 7}], [StoredBlob("sha256:0", 5)]), ["7"]),
        (StoredImage([], [None, StoredBlob("sha256:1", 5), StoredBlob("sha256:1", 5)]), ["layer 2"]),
    ],
    ids=["history of others", "outside of the store", "empty", "no text", "no blob, and one twice"],
)
def test_what_is_not_told_of_a_layer_is_not_made_up(image: StoredImage, labels: list[str] | None) -> None:
    contents = drawn(image)
    if labels is not None:
        assert [layer.label for layer in contents.layers] == labels
    assert not [package for layer in contents.layers for package in layer.packages]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("metadata.json", ["metadata-picture.svg", "metadata-picture.html"]),
        ("index", ["index-picture.svg", "index-picture.html"]),
        ("a/.json", ["a/.json-picture.svg", "a/.json-picture.html"]),
        ("result.html", ["result-picture.svg", "result-picture.html"]),
        ("pipe", []),
        ("link", []),
        ("folder", []),
    ],
)
def test_pictures_lie_beside_a_file_alone(tmp_path: Path, name: str, found: list[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/stdout")
    (tmp_path / "folder").mkdir()
    assert picture_files(tmp_path / name) == tuple(tmp_path / each for each in found)


def test_pictures_of_an_earlier_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    others = [tmp_path / name for name in ("metadata.svg", "metadata.html", "x-picture.svg")]
    files = [tmp_path / "metadata.json", *picture_files(tmp_path / "metadata.json")]
    for path in (*others, *files):
        path.write_text("x")
    remove_metadata(tmp_path / "metadata.json")
    assert sorted(tmp_path.iterdir()) == sorted(others)


@pytest.mark.parametrize("target", ["elsewhere.json", "/dev/stdout"])
def test_pictures_of_an_earlier_run_are_removed_also_where_none_are_drawn(
    target: str, tmp_path: Path
) -> None:
    """They would be taken for those of the image that the metadata file is of."""
    file = tmp_path / "metadata.json"
    for path in picture_files(file):
        path.write_text("x")
    file.symlink_to(target)
    remove_metadata(file)
    assert list(tmp_path.iterdir()) == [file]
    remove_metadata(Path("/"))


def test_a_picture_that_cant_be_written_is_a_warning(tmp_path: Path) -> None:
    emitted: list[events.Event] = []
    (tmp_path / "m-picture.svg").mkdir()
    write_pictures(tmp_path / "m.json", [harbour()], emitted.append)
    (warning,) = emitted
    assert isinstance(warning, events.Warned)
    assert "m-picture.svg: Is a directory" in warning.text
    assert (tmp_path / "m-picture.html").read_text().startswith("<!doctype html>")
