"""Which platforms are published, and the one that an image is labelled as: what is in the manifest, and what is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from flakeship import events
from flakeship.errors import UsageError
from flakeship.settings.declaration import Settings
from tests.runtimes import publish_one, runtime
from tests.sources.layouts import Layout
from tests.sources.test_indexes import AMD64, ARM64, windows
from tests.testbed.archive_shapes import archive


class Story:
    """Publishes `in` to a layout, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[events.Event] = []

    def holds(self, layout: Layout, entry: Any) -> None:
        layout.listing(entry).folder(self.folder / "in")

    def publish(self, *platforms: str, source: str = "in", **inputs: Any) -> dict[str, Any]:
        """The manifest, or the index; beside it, as `configs`, the configs of its images in their order."""
        machine, self.told = runtime(self.folder)
        settings = Settings(
            source=source, to=("oci:out:1",), push="false", lint="off", platforms=platforms, **inputs
        )
        done = publish_one(settings, machine).packed
        manifest = dict(json.loads(done.manifest))
        return {**manifest, "configs": [json.loads(image.config) for image in done.images]}

    def warnings(self) -> list[str]:
        return [event.text for event in self.told if isinstance(event, events.Warned)]

    def nothing_was_written(self) -> bool:
        return not list((self.folder / "out/blobs").rglob("*/*"))


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def named(index: dict[str, Any]) -> list[str]:
    return [entry["platform"]["architecture"] for entry in index["manifests"]]


@pytest.fixture
def three(story: Story) -> Story:
    layout = Layout()
    story.holds(layout, layout.platforms("amd64", "arm64", "riscv64", annotations={"a": "b"}))
    return story


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((), ["amd64", "arm64", "riscv64"]),
        (("linux/amd64", "linux/riscv64"), ["amd64", "riscv64"]),
        (("linux/arm64/v8", "linux/x86_64"), ["amd64", "arm64"]),
        (("linux/riscv64", "linux/arm64", "linux/aarch64"), ["arm64", "riscv64"]),
    ],
)
def test_the_chosen_ones_are_an_index_in_the_order_of_the_source(
    three: Story, wanted: tuple[str, ...], expected: list[str]
) -> None:
    index = three.publish(*wanted)
    assert named(index) == expected
    assert [config["architecture"] for config in index["configs"]] == expected
    assert not three.warnings()


@pytest.mark.parametrize("wanted", [("linux/arm64",), ("linux/arm64", "linux/aarch64")])
def test_one_chosen_platform_is_a_plain_manifest(three: Story, wanted: tuple[str, ...]) -> None:
    manifest = three.publish(*wanted)
    assert "layers" in manifest
    assert manifest["configs"][0]["architecture"] == "arm64"
    assert not three.warnings()


@pytest.mark.parametrize("wanted", [("linux/s390x",), ("linux/amd64", "linux/s390x")])
def test_a_platform_that_an_index_lacks_is_named_with_those_that_it_has(
    three: Story, wanted: tuple[str, ...]
) -> None:
    with pytest.raises(
        UsageError, match=r"linux/s390x, but .* holds linux/amd64, linux/arm64, linux/riscv64"
    ):
        three.publish(*wanted)
    assert three.nothing_was_written()


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("linux/amd46", "linux/amd64"),
        ("linux/arn64", "linux/arm64"),
        ("linx/amd64", "linux/amd64"),
        ("linux/s390x", ""),
        ("linux/arm", ""),
        ("windows/amd64", ""),
        ("plan9/mips", ""),
    ],
)
def test_a_misspelt_platform_is_told_and_one_that_exists_is_never_taken_for_another(
    three: Story, wanted: str, meant: str
) -> None:
    with pytest.raises(UsageError, match="`platforms` names ") as caught:
        three.publish(wanted)
    assert caught.value.message.partition("did you mean ")[2].strip("'?") == meant


def test_an_index_is_labelled_by_its_entries_alone(three: Story) -> None:
    with pytest.raises(
        UsageError, match=r"corrects a single image, and .* one for each of linux/amd64, "
    ) as caught:
        three.publish(override_platform="linux/arm64")
    assert "`platforms`" in caught.value.hint
    assert three.nothing_was_written()
    with pytest.raises(UsageError, match=r"one for each of linux/amd64, linux/arm64$"):
        three.publish("linux/amd64", "linux/arm64", override_platform="linux/arm64")
    assert (
        three.publish("linux/amd64", override_platform="linux/s390x")["configs"][0]["architecture"] == "s390x"
    )


def alone(layout: Layout) -> Any:
    return layout.image()


def alone_in_an_index(layout: Layout) -> Any:
    return layout.index_of(layout.image(platform=AMD64))


def alone_and_not_stated(layout: Layout) -> Any:
    return layout.index_of(layout.image())


SINGLE: Final = (alone, alone_in_an_index, alone_and_not_stated)


@pytest.mark.parametrize("shape", SINGLE)
def test_a_single_image_is_checked_and_not_labelled_anew(
    story: Story, shape: Callable[[Layout], Any]
) -> None:
    layout = Layout()
    story.holds(layout, shape(layout))
    plain = story.publish()["layers"]
    for name in ("linux/amd64", "linux/x86_64", "linux/amd64/v1"):
        assert story.publish(name)["layers"] == plain
    for wanted in (("linux/arm64",), ("linux/amd64", "linux/arm64")):
        with pytest.raises(UsageError, match=r"names linux/arm64, but .* for linux/amd64 alone") as caught:
            story.publish(*wanted)
        assert "`override-platform: linux/arm64`" in caught.value.hint


@pytest.mark.parametrize("shape", SINGLE)
def test_a_single_image_is_labelled_anew_where_that_is_asked_for(
    story: Story, shape: Callable[[Layout], Any]
) -> None:
    layout = Layout()
    story.holds(layout, shape(layout))
    config = story.publish(override_platform="linux/arm64/v9")["configs"][0]
    assert (config["architecture"], config["variant"]) == ("arm64", "v9")
    assert not story.warnings()
    again = Story(story.folder)
    assert again.publish(source="out")["configs"][0]["architecture"] == "arm64", "a copy stays corrected"


@pytest.mark.parametrize("wrap", [lambda data: data, gzip.compress])
def test_archives_are_checked_too(story: Story, wrap: Callable[[bytes], bytes]) -> None:
    """Before a layer is sent, also of a compressed one, which is read as a stream, whose config is known at its end."""
    (story.folder / "image.tar").write_bytes(wrap(archive(config={"Cmd": ["/x"]})))
    with pytest.raises(UsageError, match=r"image\.tar is an image for linux/amd64 alone"):
        story.publish("linux/arm64", source="image.tar")
    assert story.nothing_was_written()
    assert story.publish("linux/amd64", source="image.tar")["configs"][0]["architecture"] == "amd64"
    relabelled = story.publish(source="image.tar", override_platform="linux/arm64")
    assert relabelled["configs"][0]["architecture"] == "arm64"
    assert json.loads((story.folder / "out/index.json").read_text())["manifests"]


def test_an_image_that_its_index_lists_as_another_is_what_the_index_says(story: Story) -> None:
    """Engines choose by the entry, and never look into the config before."""
    layout = Layout()
    story.holds(layout, layout.index_of(layout.image("a", platform=AMD64), layout.image("b", platform=ARM64)))
    assert named(story.publish()) == ["amd64", "arm64"]
    assert not story.warnings()
    assert story.publish("linux/arm64")["configs"][0]["architecture"] == "arm64"
    assert story.warnings() == [
        "the index says that the image is for linux/arm64, but its config says linux/amd64; it is published as one for linux/arm64"
    ]
    corrected = story.publish("linux/arm64", override_platform="linux/amd64")
    assert corrected["configs"][0]["architecture"] == "amd64"


def test_the_version_of_windows_leaves_the_index_with_its_image(story: Story) -> None:
    layout = Layout()
    builds = (17763, 20348, 26100)
    images = [layout.image(str(build), os="windows", platform=windows(build)) for build in builds]
    story.holds(layout, layout.index_of(*images))
    one = story.publish("windows(10.0.20348.1)/amd64")
    assert one["configs"][0]["os.version"] == "10.0.20348.1"
    two = story.publish("windows(10.0.26100.1)/amd64", "windows(10.0.17763.1)/amd64")
    assert [entry["platform"]["os.version"] for entry in two["manifests"]] == ["10.0.17763.1", "10.0.26100.1"]
    with pytest.raises(UsageError, match="holds windows") as caught:
        story.publish("windows/amd64")
    assert "name the version too" in caught.value.hint


def test_platforms_may_be_known_by_configs_alone(story: Story) -> None:
    layout = Layout()
    names = ("amd64", "arm64", "riscv64")
    story.holds(layout, layout.index_of(*(layout.image(name, architecture=name) for name in names)))
    assert named(story.publish("linux/riscv64", "linux/amd64")) == ["amd64", "riscv64"]


def test_what_is_not_asked_for_may_be_broken(story: Story) -> None:
    layout = Layout()
    broken = layout.blob(
        b"{", "application/vnd.oci.image.manifest.v1+json", platform={**ARM64, "variant": "v9"}
    )
    good = [
        layout.image(name, architecture=name, platform={"os": "linux", "architecture": name})
        for name in ("amd64", "riscv64")
    ]
    story.holds(layout, layout.index_of(good[0], broken, good[1]))
    assert named(story.publish("linux/riscv64", "linux/amd64")) == ["amd64", "riscv64"]
