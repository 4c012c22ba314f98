"""The inputs that name platforms: `platforms`, and `override-platform`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flakeship.errors import UsageError
from flakeship.image.model import Platform

_PLATFORM: Final = re.compile(
    r"([a-z0-9]+)(?:\(([0-9][0-9A-Za-z._-]*)\))?/([a-z0-9_-]+)(?:/([a-z0-9]+))?", re.ASCII
)


def platform_of(text: str, *, name: str = "platforms") -> Platform:
    """Read `OS[(VERSION)]/ARCHITECTURE[/VARIANT]`, a value of the input `name`. UsageError for text of any other form."""
    hit = _PLATFORM.fullmatch(text)
    if not hit:
        raise UsageError(f"{name}: {text!r} is not a platform", hint="write linux/amd64 or linux/arm64/v8")
    return replace(Platform.of(hit[1], hit[3], hit[4] or ""), os_version=hit[2] or "")


def platforms_of(texts: Sequence[str]) -> tuple[Platform, ...]:
    """Read the input `platforms`: each platform once, whatever names of it are given. UsageError as `platform_of`."""
    named: list[Platform] = []
    for wanted in map(platform_of, texts):
        if any(_says_as_much(other, wanted) for other in named):
            continue
        named = [*(other for other in named if not _says_as_much(wanted, other)), wanted]
    return tuple(named)


def _says_as_much(platform: Platform, other: Platform) -> bool:
    return platform.means(other) and other.os_version in {"", platform.os_version}
