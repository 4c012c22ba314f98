"""Annotations that name a platform reach it by whatever name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from flakeship.commands.publish.stamping import Stamp
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
