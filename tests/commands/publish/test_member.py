"""The image of one platform: its label against the platform asked for, and its programs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flakeship.commands.platforms import platform_of
from flakeship.commands.publish.member import changed, check_members, check_programs, choice_for
from flakeship.commands.publish.parts import platform_for
from flakeship.commands.publish.request import SourceChoice
from flakeship.errors import RejectedError, UsageError
from flakeship.image.model import Image, Platform


def member(name: str, system: str = "aarch64-linux") -> Any:
    return SimpleNamespace(platform=platform_of(name), system=system, buildable=".#image")


def image(architecture: str, variant: str = "", *, layers: tuple[str, ...] = ()) -> Image:
    platform = Platform("linux", architecture, variant)
    return Image(platform.to_json(), platform, layers, (None,) * len(layers))


@pytest.mark.parametrize(
    ("wanted", "own", "variant", "written"),
    [
        ("linux/arm64", "arm64", "v8", ""),
        ("linux/arm64", "arm64", "", ""),
        ("linux/arm64", "aarch64", "", ""),
        ("linux/amd64", "x86_64", "", ""),
        ("linux/amd64/v3", "amd64", "", "v3"),
        ("linux/arm/v7", "arm", "", "v7"),
        ("linux/arm/v6", "arm", "", "v6"),
        ("linux/arm/v7", "arm", "v7", "v7"),
        ("linux/arm/v6", "arm", "v6", "v6"),
    ],
)
def test_the_platform_is_named_alike_in_index_and_config(
    wanted: str, own: str, variant: str, written: str
) -> None:
    """docker-library/bashbrew#29: 32-bit ARM says its variant in both; arm64 says none, as buildx has it."""
    made = changed(member(wanted), image(own, variant), change=lambda each: each)
    platform = platform_of(wanted)
    assert made.platform == Platform("linux", platform.architecture, written)
    assert made.config == {"os": "linux", "architecture": platform.architecture} | (
        {"variant": written} if written else {}
    )


def test_an_image_that_says_the_platform_is_not_changed() -> None:
    own = image("arm64")
    assert changed(member("linux/arm64"), own, change=lambda each: each) is own


@pytest.mark.parametrize(("wanted", "own"), [("v7", "v6"), ("v6", "v7"), ("v7", "v5")])
def test_another_variant_is_another_platform(wanted: str, own: str) -> None:
    with pytest.raises(RejectedError, match=f"its image says that it is for linux/arm/{own}"):
        changed(member(f"linux/arm/{wanted}"), image("arm", own), change=lambda each: each)


@pytest.mark.parametrize(
    ("platform", "found", "right"),
    [
        ("linux/amd64", "amd64", True),
        ("linux/amd64", "386", True),
        ("linux/arm64", "arm64", True),
        ("linux/arm64", "arm", True),
        ("linux/arm/v7", "arm", True),
        ("linux/arm64", "amd64", False),
        ("linux/amd64", "arm64", False),
        ("linux/386", "amd64", False),
        ("linux/arm/v7", "arm64", False),
        ("linux/arm64", "macOS", False),
    ],
)
def test_programs_are_for_the_platform_or_for_what_it_runs_too(
    platform: str, found: str, *, right: bool
) -> None:
    obtained = SimpleNamespace(buildable=".#image", system="aarch64-linux")
    part: Any = SimpleNamespace(platform=platform_of(platform), obtained=obtained)
    seen = image("arm64", layers=("unread", "layer"))
    programs = {"layer": ("bin/app", found), "of another": ("bin/other", "s390x")}
    if right:
        check_programs([seen], [part], programs)
        return
    with pytest.raises(RejectedError, match=f"bin/app in it is a program for {found}") as caught:
        check_programs([seen], [part], programs)
    assert "legacyPackages.aarch64-linux" in caught.value.hint


def test_what_was_not_built_for_a_platform_is_not_judged() -> None:
    part: Any = SimpleNamespace(platform=None)
    check_programs([image("arm64", layers=("layer",))], [part], {"layer": ("bin/app", "amd64")})


def test_a_choice_among_images_is_of_any_variant() -> None:
    assert choice_for(member("linux/arm/v7"), SourceChoice()).platforms == (Platform("linux", "arm"),)
    assert choice_for(member("linux/arm64"), SourceChoice(relabelled=True)).platforms == ()


class Engine:
    name = "docker-daemon"

    def __init__(self, platform: str) -> None:
        self._platform = platform

    def platform(self) -> Platform:
        return platform_of(self._platform)


def test_an_engine_runs_one_of_the_platforms() -> None:
    members = [member("linux/amd64"), member("linux/arm64")]
    places: Any = [Engine("linux/x86_64")]
    check_members(members, SourceChoice(), places)
    others: Any = [Engine("linux/riscv64")]
    with pytest.raises(UsageError, match="docker-daemon runs linux/riscv64"):
        check_members(members, SourceChoice(), others)


@pytest.mark.parametrize(
    ("stated", "engine", "found"),
    [
        (("linux/amd64", "linux/arm64"), "linux/arm64/v8", "linux/arm64"),
        (("linux/arm/v6", "linux/arm/v7"), "linux/arm", "linux/arm/v7"),
        (("linux/arm/v6",), "linux/arm", "linux/arm/v6"),
        (("linux/amd64",), "linux/arm64", None),
    ],
)
def test_what_a_machine_runs(stated: tuple[str, ...], engine: str, found: str | None) -> None:
    chosen = platform_for([platform_of(each) for each in stated], platform_of(engine))
    assert (str(chosen) if chosen else None) == found
