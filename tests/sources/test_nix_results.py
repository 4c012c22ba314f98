"""What real Nix hands over, by its store path."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from flakeship import sources
from flakeship.errors import NotAnImageError
from flakeship.sources.opened import SourceRequest
from tests.image.making import check, made
from tests.testbed.nix import NixBuild

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("attribute", "forward_only"),
    [("layered", True), ("layered-plain", False), ("layered-zstd", True), ("image", True), ("stream", True)],
)
def test_images(shapes: NixBuild, tmp_path: Path, attribute: str, *, forward_only: bool) -> None:
    request = SourceRequest({"PATH": os.environ["PATH"]})
    with sources.opened(shapes(attribute), request) as source:
        assert source.forward_only == forward_only
    packed = made(shapes(attribute), tmp_path / "out", environ=request.environ)
    check(packed)
    assert len(packed.layers) == 3
    assert json.loads(packed.config)["config"]["Cmd"] == ["/bin/hello"]


def test_all_ways_of_one_image_are_one_image(shapes: NixBuild, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"]}
    attributes = ["layered", "layered-plain", "layered-zstd", "stream"]
    found = {made(shapes(name), tmp_path / name, environ=environ).descriptor.digest for name in attributes}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("several", "holds 2 images: registry.example/one:1, registry.example/two:2"),
        ("stream-fails", "failed with exit code"),
        ("text", "of a kind that flakeship does not know"),
        ("hello", "is a package, but there is no Nix"),
    ],
)
def test_what_is_no_image(shapes: NixBuild, tmp_path: Path, attribute: str, words: str) -> None:
    with pytest.raises(NotAnImageError) as caught:
        made(shapes(attribute), tmp_path / "out", environ={"PATH": os.environ["PATH"]})
    assert words in caught.value.message
    assert caught.value.hint
