"""The size of what a tag named before: of the same platforms, known as a whole, or nothing is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flakeship.commands.publish.before import image_before
from flakeship.destinations.protocol import Published
from flakeship.image.document import decode_object
from flakeship.image.existing import ExistingImage, ExistingLayer
from flakeship.image.index import seal_index
from flakeship.image.model import Packed, Platform
from flakeship.report.summary import Before
from tests.images import random_packed

ARM = Platform("linux", "arm64")
NAME = "ghcr.io/o/n"


def there(packed: Packed, tag: str, **config: Any) -> ExistingImage:
    layers = tuple(
        ExistingLayer(layer.diff_id, layer.descriptor.digest, layer.descriptor.size, "+gzip", "", NAME)
        for layer in packed.layers
    )
    document = decode_object(packed.config) | config
    return ExistingImage(
        NAME,
        {},
        document,
        layers,
        packed.config_descriptor,
        intact=False,
        reference=f"{NAME}:{tag}" if tag else "",
    )


def size(*images: Packed) -> int:
    return sum(
        {
            layer.descriptor.digest: layer.descriptor.size for image in images for layer in image.layers
        }.values()
    )


def to(*tags: str, sent: bool = True) -> list[Published]:
    return [
        Published("oci:x", "oci:x:1", (), NEW.descriptor.digest, ()),
        Published(NAME, f"{NAME}@{NEW.descriptor.digest}", tuple(f"{NAME}:{tag}" for tag in tags), NEW.descriptor.digest, (), sent),
    ]  # fmt: skip


NEW, OLD, OLDER = random_packed(1), random_packed(2), random_packed(3, 4)


def test_a_tag_that_named_an_image_is_compared_with_it() -> None:
    assert image_before(NEW, to("1", "latest"), [there(OLD, "1")]) == Before(f"{NAME}:1", size(OLD))
    assert image_before(NEW, to("1", sent=False), [there(OLD, "1")]) == Before(f"{NAME}:1", size(OLD))


def test_of_several_tags_the_first_that_named_something() -> None:
    known = [there(OLD, "latest"), there(OLDER, "main")]
    assert image_before(NEW, to("1.4.2", "latest", "main"), known) == Before(f"{NAME}:latest", size(OLD))


def test_of_a_new_tag_nothing_is_said() -> None:
    for known in (
        [],
        [there(OLD, "other")],
        [there(OLD, "")],
        [replace(there(OLD, "1"), reference="ghcr.io/o/x:1")],
    ):
        assert image_before(NEW, to("1"), known) is None
    assert image_before(NEW, to(), [there(OLD, "")]) is None


def test_another_platform_is_nothing_to_compare_with() -> None:
    assert image_before(NEW, to("1"), [there(OLD, "1", architecture="arm64")]) is None
    assert image_before(NEW, to("1"), [there(OLD, "1", architecture="x86_64")]) == Before(
        f"{NAME}:1", size(OLD)
    )


def test_what_is_known_in_part_is_not_compared() -> None:
    image = there(OLD, "1")
    assert image_before(NEW, to("1"), [replace(image, layers=(None, *image.layers[1:]))]) is None
    assert image_before(NEW, to("1"), [image, there(OLDER, "1")]) is None, "which of the two is it?"


def test_the_platforms_of_an_index_are_compared_with_the_same_of_the_last() -> None:
    arm = replace(OLDER, image=replace(OLDER.image, platform=ARM))
    index = seal_index([NEW, arm])
    both = [there(OLD, "1"), there(OLDER, "1", architecture="arm64"), there(NEW, "1", architecture="s390x")]
    assert image_before(index, to("1"), both) == Before(f"{NAME}:1", size(OLD, OLDER))
    assert image_before(index, to("1"), both[:1]) is None
    twice = [there(OLD, "1"), there(OLD, "1", architecture="arm64")]
    assert image_before(index, to("1"), twice) == Before(f"{NAME}:1", size(OLD)), "a blob is there once"


def test_a_config_of_any_types_has_a_platform() -> None:
    for value in (None, 5, [1], {"a": 1}):
        assert image_before(NEW, to("1"), [there(OLD, "1", architecture=value, os=value)]) is None
