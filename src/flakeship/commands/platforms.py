"""The inputs that name platforms: `platforms`, `override-platform`, and the lines of `flake` that begin with one."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flakeship.errors import UsageError
from flakeship.image.model import Platform
from flakeship.sources.choice import ARCHITECTURES

_PLATFORM: Final = re.compile(
    r"([a-z0-9]+)(?:\(([0-9][0-9A-Za-z._-]*)\))?/([a-z0-9_-]+)(?:/([a-z0-9]+))?", re.ASCII
)
_SYSTEM: Final = re.compile(r"([a-z0-9_]+)-(linux|darwin)", re.ASCII)
"""What Nix calls a system: https://nix.dev/manual/nix/latest/command-ref/conf-file#conf-system."""

_LINE: Final = re.compile(
    r"([A-Za-z0-9]+/[A-Za-z0-9_-]+(?:/[A-Za-z0-9.]+)?|[a-z0-9_]+-(?:linux|darwin))\s*=(.*)", re.ASCII
)
"""No reference of a flake begins like this: one with a slash and no `.`, `/` or `:` before it is `NAME/BRANCH`, without `=`."""

_VARIANTS: Final = {
    "amd64": ("v1", "v2", "v3", "v4"),
    "arm64": ("v8",),
    "arm": ("v5", "v6", "v7"),
}
_EXAMPLES: Final = "linux/amd64 or linux/arm64"


def platform_of(text: str, *, name: str = "platforms") -> Platform:
    """Read `OS[(VERSION)]/ARCHITECTURE[/VARIANT]`, or the name of a Nix system, as a value of the input `name`.

    Without an OS, as in `arm64` or `arm/v7`, it is of Linux. Upper case is lower. UsageError for text of any other form.
    """
    lower = text.lower()
    if system := _SYSTEM.fullmatch(lower):
        return Platform.of(system[2], system[1])
    if Platform.of("", lower.partition("/")[0]).architecture in ARCHITECTURES:
        lower = f"linux/{lower}"
    hit = _PLATFORM.fullmatch(lower)
    if not hit:
        several = "one a line, or with commas between: " if len(re.split(r"[\s;+]+", text)) > 1 else ""
        raise UsageError(f"{name}: {text!r} is not a platform", hint=f"write {several}{_EXAMPLES}")
    return replace(Platform.of(hit[1], hit[3], hit[4] or ""), os_version=hit[2] or "")


def platforms_of(texts: Sequence[str]) -> tuple[Platform, ...]:
    """Read the input `platforms`: each platform once, whatever names of it are given. UsageError as `platform_of`."""
    named: list[Platform] = []
    for wanted in map(platform_of, texts):
        if any(_says_as_much(other, wanted) for other in named):
            continue
        named = [*(other for other in named if not _says_as_much(wanted, other)), wanted]
    return tuple(named)


def split_line(line: str) -> tuple[str, str]:
    """Split a line of `flake`, `PLATFORM=INSTALLABLE`, at the `=`; the first is empty where it begins with no platform.

    UsageError where nothing follows the `=`.
    """
    hit = _LINE.fullmatch(line)
    if not hit:
        return "", line
    if not (installable := hit[2].strip()):
        raise UsageError(
            f"flake: {line!r} says nothing to build (an unset variable?)",
            hint=f"write the attribute behind it: {hit[1]}=.#image",
        )
    return hit[1], installable


def buildable_platforms(texts: Sequence[str], *, name: str) -> tuple[Platform, ...]:
    """Read platforms that an attribute is built for, in the names that images have: arm64 without a variant, arm with one.

    UsageError where one is given twice, under whatever names, and for one that no image built by Nix is for.
    """
    known: dict[Platform, str] = {}
    for text in texts:
        platform = _buildable(text, name)
        if platform in known:
            other = known[platform]
            both = repr(text) if other == text else f"{other!r} and {text!r}"
            twice = "twice" if other == text else f", and both are {platform}"
            raise UsageError(f"{name} names {both} {twice}".replace(" ,", ","), hint="leave one of them out")
        known[platform] = text
    return tuple(known)


def in_order(platforms: Sequence[Platform]) -> tuple[Platform, ...]:
    """The order of an index: amd64 first, which clients take that don't look at platforms, then by the alphabet."""
    # docs/decisions.md#an-index-is-sorted-with-amd64-first
    return tuple(sorted(platforms, key=place_in_order))


def place_in_order(platform: Platform) -> tuple[bool, str]:
    """What to sort by for that order."""
    return platform.architecture != "amd64", str(platform)


def host_platform() -> Platform:
    """The platform of containers on this machine: its processor, and Linux."""
    return Platform.of("linux", os.uname().machine).shortest


def labelled_platform(platform: Platform) -> Platform:
    """The name of a platform in indexes and configs: without the variant that everybody assumes, but for 32-bit ARM.

    What has no variant there is taken for v7 by some and for any by others: docker-library/bashbrew#29.
    """
    short = platform.shortest
    return replace(short, variant=platform.normal[2]) if short.architecture == "arm" else short


def _buildable(text: str, name: str) -> Platform:
    platform = platform_of(text, name=name)
    if platform.os != "linux" or platform.os_version:
        raise UsageError(
            f"{name}: {text!r} is no platform that Nix builds images for: they run Linux",
            hint="write linux/amd64 or linux/arm64; an image that is there already is published with `source`",
        )
    if platform.architecture not in ARCHITECTURES:
        raise _unknown(text, platform.architecture, name)
    variants = _VARIANTS.get(platform.architecture, ())
    if platform.variant and platform.variant not in variants:
        some = f"its variants are {', '.join(variants)}" if variants else "it has no variants"
        raise UsageError(
            f"{name}: {text!r} names a variant of {platform.architecture} that there is not: {some}",
            hint=f"write linux/{platform.architecture}{f'/{variants[-1]}' if platform.architecture == 'arm' else ''}",
        )
    return labelled_platform(platform)


def _unknown(text: str, architecture: str, name: str) -> UsageError:
    from flakeship.outside.nearness import nearest_word

    near = nearest_word(architecture, sorted(ARCHITECTURES))
    meant = f"; did you mean 'linux/{near}'?" if near else ""
    return UsageError(
        f"{name}: {text!r} names an architecture that there is not{meant}",
        hint=f"write one of {', '.join(sorted(ARCHITECTURES))}, or what Nix calls it",
    )


def _says_as_much(platform: Platform, other: Platform) -> bool:
    return platform.means(other) and other.os_version in {"", platform.os_version}
