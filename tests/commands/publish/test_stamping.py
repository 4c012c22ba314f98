"""Annotations that name a platform reach it by whatever name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from flakeship.commands.publish.stamping import Stamp, lost_annotations
from flakeship.image.model import Image, Platform
from flakeship.metadata.annotations import parse_annotation
from flakeship.metadata.syntax.lists import Placed


@pytest.mark.parametrize(
    ("named", "platform", "reached"),
    [
        ("linux/arm64", Platform("linux", "arm64", "v8"), True),
        ("linux/arm64/v8", Platform("linux", "arm64"), True),
        ("linux/aarch64", Platform("linux", "arm64", "v8"), True),
        ("linux/x86_64", Platform("linux", "amd64"), True),
        ("linux/arm", Platform("linux", "arm", "v7"), True),
        ("linux/arm", Platform("linux", "arm", "v6"), False),
        ("linux/amd64", Platform("linux", "arm64"), False),
        ("linux/amd64", Platform("linux", "amd64", "v3"), False),
        ("linux", Platform("linux", "amd64"), False),
        ("windows/amd64", Platform("windows", "amd64", "", "10.0.17763.1"), True),
    ],
)
def test_annotations_for_a_platform(named: str, platform: Platform, *, reached: bool) -> None:
    notes = parse_annotation(Placed(f"manifest[{named}],manifest-descriptor[{named}]:k=v"))
    metadata = SimpleNamespace(annotations=notes, labels=SimpleNamespace(over=dict))
    naming = SimpleNamespace(marks=lambda **_: metadata)
    stamp = Stamp(cast("Any", naming), cast("Any", lambda: None), None, lambda image: image, {})
    image = stamp.image(Image({"config": {}}, platform, (), (), descriptor_annotations={"own": "1"}))
    assert image.annotations.get("k") == ("v" if reached else None)
    assert image.descriptor_annotations == {"own": "1"} | ({"k": "v"} if reached else {})


@pytest.mark.parametrize(
    ("lines", "in_index", "told"),
    [
        (["index:a=1", "index-descriptor:b=1"], False, ["a, b is for an index"]),
        (["index:a=1"], True, []),
        (["index:a=1", "manifest:a=1"], False, []),
        (["manifest,index:a=1"], False, []),
        (["manifest[linux/arm64]:a=1"], True, ["a is for linux/arm64"]),
        (["manifest[linux/x86_64]:a=1"], True, []),
    ],
)
def test_an_annotation_without_a_place_is_told(lines: list[str], told: list[str], *, in_index: bool) -> None:
    notes = [note for line in lines for note in parse_annotation(Placed(line))]
    naming: Any = SimpleNamespace(
        evaluation=SimpleNamespace(annotations_at_levels=notes, annotation_pairs={})
    )
    images = [Image({"config": {}}, Platform("linux", "amd64"), (), ())]
    warnings = list(lost_annotations(naming, images, in_index=in_index))
    assert len(warnings) == len(told)
    assert all(part in warning.text for part, warning in zip(told, warnings, strict=True))


def test_annotations_that_no_media_type_of_dockers_has_are_told_once() -> None:
    evaluation = SimpleNamespace(annotations_at_levels=(), annotation_pairs={"a": "1"})
    naming: Any = SimpleNamespace(evaluation=evaluation)
    (warning,) = lost_annotations(naming, [], in_index=False, of_docker=True)
    assert "Docker's media types" in warning.text
    evaluation.annotation_pairs = {}
    assert not [*lost_annotations(naming, [], in_index=False, of_docker=True)]


def test_annotations_that_an_engine_does_not_keep_are_told_with_its_name() -> None:
    evaluation = SimpleNamespace(annotations_at_levels=(), annotation_pairs={"a": "1"})
    naming: Any = SimpleNamespace(evaluation=evaluation)
    (warning,) = lost_annotations(naming, [], in_index=False, losing=["docker-daemon"])
    assert "lost at docker-daemon" in warning.text
    evaluation.annotation_pairs = {}
    assert not [*lost_annotations(naming, [], in_index=False, losing=["docker-daemon"])]
