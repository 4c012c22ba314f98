"""What a config may claim, and the error for what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from flakeship.errors import NotAnImageError
from flakeship.image.claims import image_of

DIFF_ID = "sha256:" + "a" * 64


def claimed(**changes: Any) -> Any:
    document = {"rootfs": {"type": "layers", "diff_ids": [DIFF_ID]}, **changes}
    return image_of(document, 1, what="the config")


@pytest.mark.parametrize(
    ("changes", "words", "hint"),
    [
        ({"rootfs": None}, "no rootfs.diff_ids", " it is damaged"),
        ({"rootfs": {"diff_ids": "x"}}, "no rootfs.diff_ids", " it is damaged"),
        (
            {"rootfs": {"diff_ids": []}},
            "another number of diff_ids (0) than the image has layers (1)",
            " it is damaged",
        ),
        ({"rootfs": {"diff_ids": [DIFF_ID] * 2}}, "another number of diff_ids (2)", " it is damaged"),
        ({"rootfs": {"diff_ids": ["sha256:../../etc"]}}, "is not a digest", " it is damaged"),
        ({"rootfs": {"diff_ids": [DIFF_ID.upper()]}}, "is not a digest", " it is damaged"),
        ({"rootfs": {"diff_ids": [DIFF_ID + "\n"]}}, "is not a digest", " it is damaged"),
        ({"rootfs": {"diff_ids": [5]}}, "is not a digest", " it is damaged"),
        ({"history": "x"}, "history is not a list of objects", " it is damaged"),
        ({"history": [1]}, "history is not a list of objects", " it is damaged"),
        ({"history": [{"comment": 5}]}, "comment is not a str", " it is damaged"),
        ({"history": [{"empty_layer": "yes"}]}, "empty_layer is not a bool", " it is damaged"),
        ({"history": [{"created": "then"}]}, "created of history is 'then'", "created"),
        ({"config": []}, "config is not an object", " it is damaged"),
        ({"config": {"Cmd": "/bin/sh"}}, "config.Cmd is str, image-spec wants list", "`config.Cmd`"),
        ({"config": {"Env": {"A": "1"}}}, "config.Env is dict, image-spec wants list", "`config.Env`"),
        ({"config": {"Env": ["A=1", 5]}}, "config.Env holds a value that is not a string", "toString"),
        ({"config": {"Labels": {"a": 1}}}, "config.Labels holds a value that is not a string", "toString"),
        ({"config": {"Labels": ["a"]}}, "config.Labels is list, image-spec wants dict", "`config.Labels`"),
        (
            {"config": {"ExposedPorts": {"80": "x"}}},
            "ExposedPorts holds a value that is not an object",
            "Nix",
        ),
        ({"config": {"Volumes": ["/data"]}}, "config.Volumes is list", "Nix"),
        ({"config": {"User": 1000}}, "config.User is int, image-spec wants str", "Nix"),
        ({"os": 5}, "os is not a string", " it is damaged"),
        ({"architecture": ["amd64"]}, "architecture is not a string", " it is damaged"),
        ({"variant": 8}, "variant is not a string", " it is damaged"),
        ({"author": {}}, "author is not a string", " it is damaged"),
        ({"os.features": ["a", 1]}, "os.features is not a list of strings", " it is damaged"),
        ({"created": "yesterday"}, "created is 'yesterday', which is not a date", "`created`"),
        ({"created": "2026-13-01T00:00:00Z"}, "which is not a date", "`created`"),
        ({"created": "2026-01-01"}, "which is not a date", "`created`"),
        ({"created": 1}, "created is 1, which is not a date", "`created`"),
    ],
)
def test_refused(changes: dict[str, Any], words: str, hint: str) -> None:
    with pytest.raises(NotAnImageError) as caught:
        claimed(**changes)
    assert caught.value.message.startswith("the config")
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "created", ["1970-01-01T00:00:01+00:00", "0001-01-01T00:00:00Z", "2026-11-21T01:53:13.858343+00:00"]
)
def test_dates_stay_as_they_are(created: str) -> None:
    assert claimed(created=created).config["created"] == created


def test_what_is_missing_or_empty_is_the_usual() -> None:
    image = claimed(os="", architecture=None)
    assert str(image.platform) == "linux/amd64"
    assert image.config == {"os": "linux", "architecture": "amd64", "config": {}}


def test_unknown_keys_survive() -> None:
    image = claimed(config={"Healthcheck": {"Retries": 3}, "OnBuild": ["RUN true"]}, moby="yes", variant="v8")
    assert image.config["config"] == {"Healthcheck": {"Retries": 3}, "OnBuild": ["RUN true"]}
    assert image.config["moby"] == "yes"
    assert str(image.platform) == "linux/amd64/v8"


def test_nulls_are_dropped_but_in_lists_that_no_engine_knows() -> None:
    image = claimed(
        config={"Env": ["A=1", None], "Odd": [None, {"a": None, "b": [None]}], "Gone": None},
        moby=[1, None],
        other={"a": [None], "b": None},
    )
    assert image.config["config"] == {"Env": ["A=1", ""], "Odd": [None, {"b": [None]}]}
    assert (image.config["moby"], image.config["other"]) == ([1, None], {"a": [None]})
