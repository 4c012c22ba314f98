"""Which of several is wanted: images of one archive by name or number, images of an index by their platforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.model import Platform

_FAMILIAR: Final = ("docker.io/library/", "docker.io/", "localhost/")
_SHOWN: Final = 20
_SYSTEMS: Final = frozenset({"linux", "windows", "freebsd", "darwin"})
ARCHITECTURES: Final = frozenset(
    [
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mipsle",
        "ppc64",
        "ppc64le",
        "riscv64",
        "s390x",
    ]
)
"""Those of Linux: https://go.dev/doc/install/source#environment."""


class SeveralImagesError(NotAnImageError):
    """There are several images, and none was chosen."""


class AbsentPlatformError(UsageError):
    """A platform that is wanted is not there. `held` names those that are, with commas between."""

    held = ""


class OtherPlatformError(UsageError):
    """A single image is for another platform than the one wanted. `own` is the platform that it states."""

    own = ""


def choose_image(names: Sequence[Sequence[str]], wanted: str, *, what: str) -> int:
    """The place of the image that `wanted` means: one of its names, or its number from 1 on.

    `names` has those of each image. SeveralImagesError where a choice is needed and none was made, UsageError where it
    means none or several.
    """
    if not wanted and len(names) == 1:
        return 0
    listed = _listed([", ".join(each) or "one without a name" for each in names])
    hint = (
        f"choose one with `image-in-archive`: its name, or a number from 1 to {len(names)}"
        if len(names) > 1
        else "name that one, or none"
    )
    if not wanted:
        raise SeveralImagesError(f"{what} holds {len(names)} images: {listed}", hint=hint)
    if wanted.isdecimal() and len(wanted) < 7 and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    found = [place for place, each in enumerate(names) if any(_means(wanted, name) for name in each)]
    if len(found) != 1:
        many = "several images" if found else "no image"
        raise UsageError(f"{wanted!r} names {many} of {what}, which holds {listed}", hint=hint)
    return found[0]


def choose_platforms(
    platforms: Sequence[Platform], wanted: Sequence[Platform], *, what: str
) -> tuple[int, ...]:
    """The places of the platforms wanted, from the first on, each once; UsageError where one of them is not there.

    Without a variant, any will do.
    """
    return tuple(sorted({_place(platforms, each, what=what) for each in wanted}))


def _place(platforms: Sequence[Platform], wanted: Platform, *, what: str) -> int:
    check_one_version(platforms, wanted, what=what)
    for fits in (Platform.means, Platform.serves):
        for place, platform in enumerate(platforms):
            if platform.serves(wanted) and fits(platform, wanted):
                return place
    held = _listed([platform.with_version for platform in platforms])
    error = AbsentPlatformError(
        f"`platforms` names {wanted.with_version}, but {what} holds {held}{_meant(wanted, platforms)}",
        hint="name one of these, or leave `platforms` out for all of them",
    )
    error.held = held
    raise error


def _meant(wanted: Platform, platforms: Sequence[Platform]) -> str:
    """The platform that a misspelt one nearly is. One that exists is never taken for another."""
    if wanted.os in _SYSTEMS and wanted.architecture in ARCHITECTURES:
        return ""
    from flakeship.outside.nearness import nearest_word

    near = nearest_word(str(wanted), map(str, platforms))
    return f"; did you mean {near!r}?" if near else ""


def check_platform(own: Platform, wanted: Sequence[Platform], *, what: str) -> None:
    """UsageError unless a single image, which is for its `own` platform, is for each one wanted."""
    missing = next((each for each in wanted if not own.serves(each)), None)
    if missing:
        name = missing.with_version
        error = OtherPlatformError(
            f"`platforms` names {name}, but {what} is an image for {own.with_version} alone",
            hint=f"build it for {name}, or leave `platforms` out; if it is mislabelled, set "
            f"`override-platform: {name}`",
        )
        error.own = own.with_version
        raise error


def check_one_version(platforms: Sequence[Platform], wanted: Platform, *, what: str) -> None:
    """UsageError where several versions of the OS fit, as an index for Windows holds them, and no version is named."""
    fitting = {
        platform.with_version: platform
        for platform in platforms
        if platform.means(wanted) and platform.serves(wanted)
    }
    if len({platform.os_version for platform in fitting.values()}) > 1:
        raise UsageError(
            f"`platforms` names {wanted}, but {what} holds {_listed(sorted(fitting))}",
            hint=f"name the version too, as {min(fitting)}, or leave `platforms` out for all of them",
        )


def _means(wanted: str, name: str) -> bool:
    """Return True if `wanted` is `name`, or `name` without its registry or without `latest`, as docker shortens names."""
    forms = {name, *(name.removeprefix(prefix) for prefix in _FAMILIAR)}
    return wanted in forms | {form.removesuffix(":latest") for form in forms}


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
