"""The inputs that name platforms: every platform once, however it is named."""

from __future__ import annotations

import pytest

from flakeship.commands.platforms import platforms_of
from flakeship.commands.publish.reuse import ReuseRequest
from flakeship.settings.declaration import Settings


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), []),
        (("linux/amd64", "linux/arm64"), ["linux/amd64", "linux/arm64"]),
        (("linux/arm64", "linux/aarch64", "linux/arm64/v8"), ["linux/arm64"]),
        (("linux/arm", "linux/arm/v6"), ["linux/arm", "linux/arm/v6"]),
        (("windows/amd64", "windows(10.0.1)/amd64"), ["windows(10.0.1)/amd64"]),
        (("windows(10.0.1)/amd64", "windows/amd64"), ["windows(10.0.1)/amd64"]),
        (
            ("windows(10.0.1)/amd64", "windows(10.0.2)/amd64"),
            ["windows(10.0.1)/amd64", "windows(10.0.2)/amd64"],
        ),
    ],
)
def test_each_platform_is_wanted_once(texts: tuple[str, ...], expected: list[str]) -> None:
    assert [platform.with_version for platform in platforms_of(texts)] == expected


def test_the_order_of_platforms_marks_nothing_and_their_number_does() -> None:
    def shape(*names: str) -> str:
        return ReuseRequest.of(Settings(platforms=names)).shape

    assert shape("linux/amd64", "linux/arm64") == shape("linux/aarch64", "linux/x86_64")
    different = [(), ("linux/amd64",), ("linux/amd64", "linux/arm64")]
    different += [("windows(10.0.1)/amd64",), ("windows(10.0.2)/amd64",)]
    assert len({shape(*names) for names in different}) == len(different)
