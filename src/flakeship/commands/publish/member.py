"""One platform of what is built for several: its image is checked against the platform, and named by it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flakeship.commands.publish.parts import platform_for
from flakeship.commands.publish.stamping import Change
from flakeship.destinations.protocol import Destination, RunsImages, TakesIndexes
from flakeship.errors import RejectedError, UsageError
from flakeship.image.model import Image, Platform
from flakeship.image.program_header import MACOS
from flakeship.sources.choice import OtherPlatformError
from flakeship.sources.opened import Opened

if TYPE_CHECKING:
    from flakeship.commands.building.by_platform import Member
    from flakeship.commands.publish.parts import Part
    from flakeship.commands.publish.request import SourceChoice

_RUNS_TOO: Final = {"amd64": "386", "arm64": "arm"}
"""What a CPU runs besides its own programs."""


def check_members(members: Sequence[Member], choice: SourceChoice, places: Sequence[Destination]) -> None:
    """UsageError where several platforms are asked for, and an input or a destination is for one; before anything is built."""
    if len(members) < 2:
        return
    held = ", ".join(str(member.platform) for member in members)
    if choice.relabelled:
        raise UsageError(
            f"override-platform corrects a single image, and one is built for each of {held}",
            hint="leave it out, or build one platform: `platforms` names it",
        )
    for place in places:
        if isinstance(place, RunsImages):
            own = place.platform()
            if platform_for([member.platform for member in members], own) is None:
                raise UsageError(
                    f"{place.name} runs {own}, and what is published is for {held}",
                    hint="name its platform in `platforms` too, or leave the engine out",
                )
            continue
        if not isinstance(place, TakesIndexes):
            raise UsageError(
                f"{place.name} takes one image, and one is built for each of {held}",
                hint="choose one with `platforms`",
            )


def choice_for(member: Member, choice: SourceChoice) -> SourceChoice:
    """What is chosen of the result for one platform: where that is an index, its image for the platform."""
    if choice.relabelled:  # the label is wrong, so it can choose nothing
        return replace(choice, platforms=())
    return replace(choice, platforms=(replace(member.platform, variant=""),))


@contextlib.contextmanager
def opened(
    member: Member, open_source: Callable[[], contextlib.AbstractContextManager[Opened]]
) -> Iterator[Opened]:
    """Open the result. RejectedError where it is an image for another platform; of a stream that is known behind it."""
    try:
        with open_source() as source:
            yield source
    except OtherPlatformError as error:
        raise _mislabelled(member, error.own) from error


def changed(member: Member, image: Image, *, change: Change) -> Image:
    """The image with the one name of its platform, and then with `change`."""
    own, wanted = image.platform, member.platform
    if own.variant and wanted.architecture == "arm" and not own.means(wanted):
        raise _mislabelled(member, str(own))
    variant = {"variant": wanted.variant} if wanted.variant else {}
    kept = {key: value for key, value in image.config.items() if key != "variant"}
    platform = replace(own, os=wanted.os, architecture=wanted.architecture, variant=wanted.variant)
    config = {**kept, "os": wanted.os, "architecture": wanted.architecture, **variant}
    same = platform == own and config == image.config
    return change(image if same else replace(image, config=config, platform=platform))


def check_programs(
    images: Sequence[Image], parts: Sequence[Part], programs: Mapping[str, tuple[str, str]]
) -> None:
    """RejectedError where the first program of a layer is for another CPU than the image, or for macOS.

    Unread layers are not known.
    """
    # docs/decisions.md#a-program-for-another-processor-is-an-error
    owners = parts if len(parts) > 1 else [parts[0]] * len(images)  # an index that is built whole is one part
    for image, part in zip(images, owners, strict=True):
        for name, found in (programs[key] for key in image.layers if key in programs):
            if part.platform is None:
                if found == MACOS:
                    raise _of_a_mac(part, name)
            elif found not in (part.platform.architecture, _RUNS_TOO.get(part.platform.architecture)):
                raise _of_another_cpu(part, part.platform, name, found)


def _mislabelled(member: Member, own: str) -> RejectedError:
    system = member.system or "SYSTEM"
    return RejectedError(
        f"{member.buildable} is built for {member.platform}, and its image says that it is for {own}",
        hint=f"make it of the packages of that system: `pkgs = nixpkgs.legacyPackages.{system};`, or where only what it "
        f'says is wrong, write `architecture = "{member.platform.architecture}";` into its expression',
    )


def _of_a_mac(part: Part, name: str) -> RejectedError:
    return RejectedError(
        f"{part.obtained.buildable} holds {name}, which is a program for macOS, and containers run Linux",
        hint="make the image an attribute of `packages.aarch64-linux` or `packages.x86_64-linux`, of the packages of that "
        "system, or take its contents from `pkgsCross`",
    )


def _of_another_cpu(part: Part, platform: Platform, name: str, found: str) -> RejectedError:
    buildable, system = part.obtained.buildable, part.obtained.system or "SYSTEM"
    return RejectedError(
        f"{buildable} is built for {platform}, and {name} in it is a program for {found}",
        hint=f"make it of the packages of that system: `pkgs = nixpkgs.legacyPackages.{system};`"
        + ("" if found == MACOS else f", or `pkgsCross` for {platform.architecture}")
        + '; `lint: "off"` looks at no program',
    )
