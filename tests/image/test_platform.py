"""Platforms by whatever name: https://github.com/containerd/platforms/blob/main/platforms_test.go."""

from __future__ import annotations

import pytest

from flakeship.commands.platforms import platform_of
from flakeship.errors import UsageError
from flakeship.image.model import Image, Platform
from flakeship.image.override import with_platform


def named(text: str) -> Platform:
    os, architecture, variant = (*text.split("/"), "")[:3]
    return Platform(os, architecture, variant)


@pytest.mark.parametrize(
    "names",
    [
        ("linux/amd64", "linux/amd64/v1", "linux/x86_64", "linux/x86-64", "LINUX/AMD64"),
        ("linux/arm64", "linux/arm64/v8", "linux/arm64/8", "linux/aarch64", "linux/aarch64/v8"),
        ("linux/arm", "linux/arm/v7", "linux/arm/7", "linux/armhf"),
        ("linux/arm/v6", "linux/arm/6", "linux/armel"),
        ("linux/386", "linux/i386"),
        ("darwin/arm64", "macos/arm64"),
        ("linux/amd64/v2",),
        ("linux/arm64/v9",),
        ("linux/arm/v5", "linux/arm/5"),
        ("linux/riscv64",),
        ("windows/amd64",),
    ],
)
def test_one_platform_has_many_names(names: tuple[str, ...]) -> None:
    for name in names:
        assert [other for other in names if not named(name).means(named(other))] == []
        assert named(name).serves(named(names[0]))
    others = [named("linux/ppc64le"), named("linux/amd64/v3"), named("freebsd/arm64")]
    assert not any(named(names[0]).means(other) for other in others)


@pytest.mark.parametrize(
    ("held", "wanted", "serves"),
    [
        ("linux/arm/v6", "linux/arm", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/amd64/v3", "linux/amd64", False),
        ("linux/arm64/v9", "linux/arm64", False),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/amd64", "linux/amd64/v3", False),
        ("linux/arm64/v9", "linux/arm64/v8", False),
    ],
)
def test_a_variant_that_is_named_is_meant(held: str, wanted: str, *, serves: bool) -> None:
    assert named(held).serves(named(wanted)) is serves


def test_a_version_of_the_os_can_be_named() -> None:
    wanted = platform_of("windows(10.0.20348.1)/amd64")
    old, new = (Platform("windows", "amd64", "", f"10.0.{build}.1") for build in (17763, 20348))
    assert (old.serves(wanted), new.serves(wanted)) == (False, True)
    assert new.with_version == "windows(10.0.20348.1)/amd64"
    assert Platform("linux", "arm", "v7").with_version == "linux/arm/v7"


def test_versions_of_windows() -> None:
    old, new = (Platform("windows", "amd64", "", f"10.0.{build}.1", ("win32k",)) for build in (17763, 20348))
    assert old != new
    assert old.serves(Platform("windows", "amd64"))
    assert not old.serves(new)
    assert old.to_json() == {
        "architecture": "amd64",
        "os": "windows",
        "os.version": "10.0.17763.1",
        "os.features": ["win32k"],
    }


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/i386", "linux/386"),
    ],
)
def test_the_input_knows_other_names(text: str, platform: str) -> None:
    assert str(platform_of(text)) == platform


@pytest.mark.parametrize("text", ["all", "linux", "linux/", "linux/amd64/v1/x", "linux/amd 64", "/amd64"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(UsageError, match="is not a platform"):
        platform_of(text)


WINDOWS = {"os": "windows", "architecture": "amd64", "os.version": "10.0", "os.features": ["win32k"]}


def test_an_image_that_is_of_the_platform_is_not_labelled_anew() -> None:
    image = Image({"os": "linux", "architecture": "arm64"}, Platform("linux", "arm64"), (), ())
    for wanted in ("linux/arm64/v8", "linux/aarch64"):
        assert with_platform(image, platform_of(wanted)) is image


def test_a_platform_that_replaces_another_leaves_no_version_of_another_os() -> None:
    image = Image(WINDOWS, Platform("windows", "amd64", "", "10.0", ("win32k",)), (), ())
    changed = with_platform(image, Platform("linux", "amd64"))
    assert changed.config == {"os": "linux", "architecture": "amd64"}
    kept = with_platform(image, Platform("windows", "arm64"))
    assert kept.config == {**WINDOWS, "architecture": "arm64"}
    assert kept.platform.os_version == "10.0"
