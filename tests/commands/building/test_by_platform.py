"""What `flake` and `platforms` mean together: names of platforms as users, specs and Nix write them, and their lines."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flakeship.commands.building import by_platform
from flakeship.commands.building.by_platform import flake_lines, members_of
from flakeship.commands.building.on_a_mac import linux_of, mac_system
from flakeship.commands.platforms import buildable_platforms, in_order, platform_of, split_line
from flakeship.errors import BuildError, UsageError
from flakeship.image.model import Platform
from flakeship.nix.installable import Installable
from flakeship.nix.system_attributes import states_system
from flakeship.settings.declaration import Settings
from flakeship.sources.closure.architecture import platform_of as platform_of_system
from flakeship.sources.closure.architecture import system_of

SYSTEMS = {
    "x86_64-linux": "linux/amd64",
    "aarch64-linux": "linux/arm64",
    "armv7l-linux": "linux/arm/v7",
    "armv6l-linux": "linux/arm/v6",
    "armv5tel-linux": "linux/arm/v5",
    "i686-linux": "linux/386",
    "powerpc64le-linux": "linux/ppc64le",
    "powerpc64-linux": "linux/ppc64",
    "riscv64-linux": "linux/riscv64",
    "s390x-linux": "linux/s390x",
    "loongarch64-linux": "linux/loong64",
    "mips64el-linux": "linux/mips64le",
    "mipsel-linux": "linux/mipsle",
}


@pytest.mark.parametrize(("system", "name"), SYSTEMS.items())
def test_nix_and_images_name_the_same(system: str, name: str) -> None:
    """A platform may be written as the system, with Nix's name of the processor, or as image-spec has it."""
    processor = system.removesuffix("-linux")
    for text in (system, f"linux/{processor}", name, name.upper() if "/" in name else name):
        (platform,) = buildable_platforms([text], name="platforms")
        assert str(platform) == name
        assert system_of(platform) == system
        assert platform_of_system(system, path="x").means(platform)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("linux/i686", "linux/386"),
        ("arm64", "linux/arm64"),
        ("arm64/v8", "linux/arm64"),
        ("arm/v6", "linux/arm/v6"),
        ("aarch64", "linux/arm64"),
        ("i686", "linux/386"),
        ("armv7l", "linux/arm/v7"),
        ("powerpc64le", "linux/ppc64le"),
        ("S390X", "linux/s390x"),
        ("LINUX/AMD64", "linux/amd64"),
        ("AArch64-Linux", "linux/arm64"),
    ],
)
def test_the_shortest_name_is_written_and_arm_has_its_variant(text: str, name: str) -> None:
    assert [str(each) for each in buildable_platforms([text], name="platforms")] == [name]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["linux"], "is not a platform"),
        (["all"], "is not a platform"),
        (["linux/amd64 linux/arm64"], "is not a platform"),
        (
            ["linux/amd46"],
            "'linux/amd46' names an architecture that there is not; did you mean 'linux/amd64'?",
        ),
        (["linux/x64"], "an architecture that there is not"),
        (["linux/amd64/v1/x"], "is not a platform"),
        (["darwin/arm64"], "they run Linux"),
        (["aarch64-darwin"], "they run Linux"),
        (["windows(10.0.1)/amd64"], "they run Linux"),
        (["linux/amd64/v9"], "a variant of amd64 that there is not: its variants are v1, v2, v3, v4"),
        (["linux/arm64/v7"], "a variant of arm64 that there is not"),
        (["linux/arm/v8"], "a variant of arm that there is not: its variants are v5, v6, v7"),
        (["linux/s390x/z14"], "it has no variants"),
        (["linux/386/v1"], "it has no variants"),
        (["linux/amd64", "linux/amd64"], "names 'linux/amd64' twice"),
        (["linux/arm64", "linux/arm64/v8"], "'linux/arm64' and 'linux/arm64/v8', and both are linux/arm64"),
        (["linux/arm", "armv7l-linux"], "both are linux/arm/v7"),
        (["linux/386", "linux/i686"], "both are linux/386"),
    ],
)
def test_what_no_image_is_built_for_is_an_error_of_its_own(texts: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        buildable_platforms(texts, name="platforms")
    assert words in caught.value.message
    assert caught.value.hint


def test_the_order_of_an_index_has_amd64_first() -> None:
    names = ["linux/s390x", "linux/arm64", "linux/386", "linux/amd64/v3", "linux/arm/v7", "linux/amd64"]
    assert [str(each) for each in in_order(tuple(map(platform_of, names)))] == [
        "linux/amd64",
        "linux/amd64/v3",
        "linux/386",
        "linux/arm/v7",
        "linux/arm64",
        "linux/s390x",
    ]


@pytest.mark.parametrize(
    ("line", "split"),
    [
        ("linux/arm64=.#image", ("linux/arm64", ".#image")),
        ("linux/arm/v7 = .#image", ("linux/arm/v7", ".#image")),
        ("aarch64-linux=.#image", ("aarch64-linux", ".#image")),
        ("cross-linux-arm=.#image", ("", "cross-linux-arm=.#image")),
        (".#image", ("", ".#image")),
        ("./linux/arm64=x#image", ("", "./linux/arm64=x#image")),
        ("github:o/r?ref=x#image", ("", "github:o/r?ref=x#image")),
        ("nixpkgs/nixos-26.05#hello", ("", "nixpkgs/nixos-26.05#hello")),
        ("git+https://h/x?ref=a#b=c", ("", "git+https://h/x?ref=a#b=c")),
        ("app=.#image", ("", "app=.#image")),
    ],
)
def test_a_line_begins_with_its_platform(line: str, split: tuple[str, str]) -> None:
    assert split_line(line) == split


def test_two_lines_are_not_for_the_same() -> None:
    with pytest.raises(UsageError, match="both without a platform"):
        flake_lines([".#a", ".#b"])
    with pytest.raises(UsageError, match="both are linux/arm64"):
        flake_lines(["linux/arm64=.#a", "linux/aarch64=.#b"])
    with pytest.raises(UsageError, match="flake: 'linux/arm64/v7' names a variant"):
        flake_lines(["linux/arm64/v7=.#a"])


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The systems for which the flake has the attribute, and where; this machine is x86_64 and runs Linux."""
    places = {"x86_64-linux": "packages", "aarch64-linux": "legacyPackages"}

    def found(_: Any, installable: Installable, systems: list[str]) -> dict[str, Installable]:
        if missing := [system for system in systems if system not in places]:
            raise BuildError(f"not for {missing[0]}")
        return {
            system: Installable(".", f"{places[system]}.{system}.{installable.attribute}", (), "/", None)
            for system in systems
        }

    monkeypatch.setattr("flakeship.nix.system_attributes.attributes_by_system", found)
    monkeypatch.setattr("flakeship.nix.system_attributes.packages_by_system", lambda *_: {})
    monkeypatch.setattr(by_platform, "host_platform", lambda: Platform("linux", "amd64"))
    monkeypatch.setattr("sys.platform", "linux")
    return places


def parse(text: str) -> Installable:
    flake, _, attribute = text.partition("#")
    return Installable(flake, attribute, (), "/", None)


def members(*lines: str, platforms: tuple[str, ...] = ()) -> dict[str, str]:
    builder: Any = SimpleNamespace(nix="nix", evaluating="nix", described={})
    made = members_of(Settings(flake=lines, platforms=platforms), builder, parse)
    return {str(each.platform): str(each.buildable.installable) for each in made}


BOTH = ("linux/arm64", "linux/amd64")


@pytest.mark.usefixtures("has")
def test_each_platform_has_the_attribute_of_its_system() -> None:
    assert members(".#image", platforms=BOTH) == {
        "linux/amd64": ".#packages.x86_64-linux.image",
        "linux/arm64": ".#legacyPackages.aarch64-linux.image",
    }
    assert list(members(".#image", platforms=("linux/arm64",))) == ["linux/arm64"]


@pytest.mark.usefixtures("has")
def test_on_a_mac_a_line_says_what_is_meant() -> None:
    heard: list[Any] = []
    builder: Any = SimpleNamespace(nix="nix", evaluating="nix", described={}, emit=heard.append)
    for platforms in ((), BOTH):
        given = Settings(flake=(".#image",), platforms=platforms, nix_config=("system = aarch64-darwin",))
        members_of(given, builder, parse)
    arm, amd = ".#legacyPackages.aarch64-linux.image", ".#packages.x86_64-linux.image"
    assert [each.text for each in heard] == [
        f"on a Mac: .#image is {arm}, since containers run Linux",
        f"on a Mac: .#image is {amd} and {arm}, since containers run Linux",
    ]


@pytest.mark.usefixtures("has")
def test_what_is_asked_for_as_before_is_built_as_before() -> None:
    """Of several platforms, an attribute path that names its system is taken as it is."""
    for lines, platforms in (
        ((".#image",), ()),
        ((".#packages.x86_64-linux.index",), BOTH),
        ((".#legacyPackages.x86_64-linux.a.b",), BOTH),
        (("app=.#a", "web=.#b"), ()),
    ):
        assert members(*lines, platforms=platforms) == {}


@pytest.mark.usefixtures("has")
@pytest.mark.parametrize(
    ("line", "platform"),
    [
        (".#image", "linux/amd64"),
        (".#image", "linux/x86_64"),
        (".#packages.x86_64-linux.image", "linux/amd64"),
        (".#packages.x86_64-linux.image-arm64", "linux/arm64"),
    ],
)
def test_the_one_platform_that_is_asked_for_is_known(line: str, platform: str) -> None:
    """So its image is checked, and not built again. Where this machine's Nix finds it by itself, nothing else is asked."""
    assert members(line, platforms=(platform,)) == {str(platform_of(platform)): line}


@pytest.mark.usefixtures("has")
def test_lines_of_a_platform_come_before_the_line_for_all() -> None:
    cross = "linux/arm64=.#image-arm64"
    host = ".#packages.x86_64-linux.image"
    assert members(".#image", cross) == {"linux/amd64": host, "linux/arm64": ".#image-arm64"}
    assert members(".#image", cross, platforms=BOTH) == {"linux/amd64": host, "linux/arm64": ".#image-arm64"}
    assert members(cross) == {"linux/arm64": ".#image-arm64"}
    assert members(".#image", cross, platforms=("linux/arm64",)) == {"linux/arm64": ".#image-arm64"}, (
        "a job of each"
    )
    assert members(cross, "linux/amd64=.#x", platforms=("linux/amd64",)) == {"linux/amd64": ".#x"}
    assert members("linux/amd64/v3=.#fast", "linux/amd64=.#x") == {
        "linux/amd64": ".#x",
        "linux/amd64/v3": ".#fast",
    }


@pytest.mark.usefixtures("has")
@pytest.mark.parametrize(
    ("lines", "platforms", "words"),
    [
        (("linux/arm64=.#x",), BOTH, "platforms names linux/amd64, and no line of `flake` is for it"),
        ((".#y", "linux/amd64=.#x"), (), "nothing is left for '.#y'"),
        ((".#y",), ("linux/amd64/v3",), "linux/amd64/v3, and Nix has no system for it"),
        ((".#y",), ("linux/riscv128",), "names an architecture that there is not"),
        (("linux/arm64=",), (), "says nothing to build (an unset variable?)"),
        ((".#y",), ("linux/amd64", "linux/amd64"), "twice"),
    ],
)
def test_platforms_and_lines_that_do_not_fit(
    lines: tuple[str, ...], platforms: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        members(*lines, platforms=platforms)
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("config", "machine", "system", "linux"),
    [
        ((), ("darwin", "arm64"), "aarch64-darwin", "aarch64-linux"),
        ((), ("darwin", "x86_64"), "x86_64-darwin", "x86_64-linux"),
        ((), ("linux", "x86_64"), "", "-linux"),
        (("system = aarch64-darwin",), ("linux", "x86_64"), "aarch64-darwin", "aarch64-linux"),
        (("cores = 1\nsystem=x86_64-darwin",), ("darwin", "arm64"), "x86_64-darwin", "x86_64-linux"),
        (("system = aarch64-linux",), ("darwin", "arm64"), "", "-linux"),
        (("extra-platforms = aarch64-darwin",), ("linux", "x86_64"), "", "-linux"),
    ],
)
def test_the_linux_of_a_mac(
    monkeypatch: pytest.MonkeyPatch,
    config: tuple[str, ...],
    machine: tuple[str, str],
    system: str,
    linux: str,
) -> None:
    monkeypatch.setattr("sys.platform", machine[0])
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine=machine[1]))
    assert mac_system(config) == system
    assert linux_of(system) == linux


@pytest.mark.parametrize(
    ("attribute", "stated"),
    [
        ("image", False),
        ("", False),
        ("a.b", False),
        ("packages.x86_64-linux.image", True),
        ("legacyPackages.aarch64-linux.a.b", True),
        ("defaultPackage.x86_64-linux", True),
        (".packages.image", True),
        ("packages.image", False),
        ("x86_64-linux.packages", False),
    ],
)
def test_an_attribute_path_may_name_its_system(attribute: str, stated: bool) -> None:
    assert states_system(Installable(".", attribute, (), "/", None)) is stated
