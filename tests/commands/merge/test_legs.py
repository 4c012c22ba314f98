"""The file of a leg comes from another job: whatever is in it, reading it gives a leg or an error for its user."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.merge.legs import read_legs
from flakeship.errors import Error, UsageError
from flakeship.image.model import Platform

DIGEST = "sha256:" + "a" * 64
ODD: list[Any] = [
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "\ud800",
    "x" * 300,
    [],
    {},
    [[]],
    {"version": 1},
    "a@b",
    DIGEST,
]


def document() -> dict[str, Any]:
    return {
        "containerimage.config.digest": "sha256:" + "b" * 64,
        "containerimage.descriptor": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": DIGEST,
            "size": 500,
            "platform": {"os": "linux", "architecture": "arm64"},
        },
        "containerimage.digest": DIGEST,
        "flakeship.destinations": [
            {"name": "oci:out", "reference": "oci:out:1", "tags": [], "sent": True, "blobs": []},
            {
                "name": "ghcr.io/o/n",
                "reference": f"ghcr.io/o/n@{DIGEST}",
                "tags": [],
                "sent": True,
                "blobs": [],
            },
        ],
        "flakeship.leg": {
            "version": 1,
            "platform": "linux/arm64",
            "run": "github o/n 7",
            "revision": "3e7be6a",
            "tags": ["ghcr.io/o/n:1"],
            "annotations": {"a": "b"},
        },
    }


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def with_odd(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The document with `value` at one place, or without that place where it is `...`."""
    changed = copy.deepcopy(document())
    node: Any = changed
    for key in path[:-1]:
        node = node[key]
    if value is ...:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return changed


def test_a_whole_file_is_read_whole(tmp_path: Path) -> None:
    (leg,) = read_legs([json.dumps(document())], tmp_path)
    assert leg.name == "linux/arm64 (leg 1)"
    assert leg.platform == Platform("linux", "arm64")
    assert leg.digest == DIGEST
    assert leg.repositories == {"ghcr.io/o/n"}
    assert (leg.run, leg.revision, leg.tags) == ("github o/n 7", "3e7be6a", ("ghcr.io/o/n:1",))


def test_whatever_stands_in_a_file_is_a_leg_or_an_error(tmp_path: Path) -> None:
    refused: list[Error] = []
    for path in places(document()):
        for value in (..., *ODD):
            try:
                read_legs([json.dumps(with_odd(path, value))], tmp_path)
            except Error as error:
                refused.append(error)
    assert [error.message for error in refused if "leg 1" not in error.message or not error.hint] == []
    assert len(refused) > 100


def test_whatever_is_left_of_a_file_is_an_error(tmp_path: Path) -> None:
    data = json.dumps(document()).encode()
    chance = random.Random(7)
    file = tmp_path / "flakeship-x.json"
    for _ in range(100):
        file.write_bytes(data[: chance.randrange(len(data))])
        with pytest.raises(UsageError, match=r"flakeship-x\.json"):
            read_legs(["."], tmp_path)
        number = chance.randrange(len(data))
        file.write_bytes(data[:number] + bytes([chance.randrange(256)]) + data[number + 1 :])
        with contextlib.suppress(Error):
            read_legs(["."], tmp_path)


@pytest.mark.parametrize(
    "line", ["legs/*.json", "./x", "/nowhere/x", "x.json", "\0", "a" * 5000, "https://x/y"]
)
def test_a_line_that_leads_nowhere_is_an_error(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError) as error:
        read_legs([line], tmp_path)
    assert error.value.hint


def test_a_platform_before_a_file_must_be_its_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is said to be linux/amd64, and it says linux/arm64"):
        read_legs([f"linux/amd64={json.dumps(document())}"], tmp_path)
    (leg,) = read_legs([f"linux/arm64/v8={json.dumps(document())}"], tmp_path)
    assert leg.platform
    assert leg.platform.means(Platform("linux", "arm64"))


def test_several_images_in_one_document_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has legs of several images: api, web"):
        read_legs([json.dumps({"api": document(), "web": document()})], tmp_path)
