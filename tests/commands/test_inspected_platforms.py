"""The input `platforms` of `inspect`: what it shows of an index is what `publish` would take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flakeship.commands.inspect import _in_registry, inspect
from flakeship.commands.platforms import platforms_of
from flakeship.commands.run import open_run
from flakeship.errors import UsageError
from flakeship.report.inspection import Inspection
from flakeship.settings.declaration import Settings
from tests.runtimes import runtime
from tests.sources.layouts import Layout, layer_tar, sha256
from tests.sources.stored_blobs import served
from tests.sources.test_indexes import AMD64, ARM64, artifact, windows


def index(layout: Layout) -> Any:
    return layout.index_of(
        layout.image("a", platform=AMD64),
        layout.image("b", architecture="arm64", platform=ARM64),
        layout.image("c", os="windows", platform=windows(17763)),
        layout.image("d", os="windows", platform=windows(20348)),
        artifact(layout),
    )


@pytest.mark.parametrize("where", ["registry", "folder"])
@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ((), "abcd"),
        (("linux/arm64",), "b"),
        (("linux/aarch64", "linux/amd64"), "ab"),
        (("windows(10.0.20348.1)/amd64", "linux/amd64/v1"), "ad"),
    ],
)
def test_the_images_that_publish_would_take(
    tmp_path: Path, where: str, wanted: tuple[str, ...], shown: str
) -> None:
    layout = Layout()
    entry = index(layout)
    if where == "registry":
        found = _in_registry(served(layout, entry), "name", platforms_of(wanted))
    else:
        layout.listing(entry).folder(tmp_path / "in")
        settings = Settings(image="./in", platforms=wanted)
        with open_run(settings, runtime(tmp_path)[0]) as run:
            found = inspect(settings, run)
    images = [each for each in found if isinstance(each, Inspection)]
    assert [image.layers[0].diff_id for image in images] == [sha256(layer_tar(text)) for text in shown]
    assert len(found) - len(images) == (0 if wanted else 1), (
        "what stands beside the images is for none of them"
    )


def test_a_platform_that_is_not_there_is_an_error() -> None:
    layout = Layout()
    for entry in (index(layout), layout.image("a")):
        with pytest.raises(UsageError, match=r"`platforms` names linux/s390x, but name holds .*linux/amd64"):
            _in_registry(served(layout, entry), "name", platforms_of(("linux/s390x",)))
