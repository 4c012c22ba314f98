"""Reads annotations: the level prefixes of `docker buildx build --annotation`, and what each level stands for.

https://docs.docker.com/build/metadata/annotations/#specify-annotation-level
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast, get_args

from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import Placed, parse_pair

Level: TypeAlias = Literal["manifest", "index", "manifest-descriptor", "index-descriptor"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

_LEVEL: Final = re.compile(r"(?P<level>[^\[\]]*)(?:\[(?P<platform>[^\[\]]*)\])?")
_PLATFORM: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_.-]+){0,2}")
_HINT: Final = (
    "write KEY=VALUE, or LEVEL:KEY=VALUE with one or more of " + ", ".join(LEVELS) + " before the colon"
)


@dataclass(frozen=True, slots=True)
class PlatformLevel:
    """One level, written `manifest` or `manifest[linux/amd64]`; `platform` is None for every platform."""

    level: Level
    platform: str | None = None

    def __str__(self) -> str:
        return f"{self.level}[{self.platform}]" if self.platform else self.level


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation and where it belongs; `platform` ("linux/amd64") is None for every platform."""

    levels: tuple[Level, ...]
    platform: str | None
    key: str
    value: str


def parse_annotation(line: Placed) -> tuple[Annotation, ...]:
    """Read `[LEVEL[PLATFORM],…:]KEY=VALUE`; without a level it is for the manifest.

    There are several results where levels name different platforms. UsageError, with line and column, for an unknown
    level or a malformed platform. As in buildx, a colon in the key needs a level before it.
    """
    text, value = parse_pair(line, what="an annotation")
    prefix, colon, key = text.partition(":")
    if not colon:
        return (Annotation(("manifest",), None, text, value),)
    if not key:
        raise UsageError(
            f"{line.where(len(prefix) + 1)}the annotation has no key behind the colon", hint=_HINT
        )
    return tuple(_annotations(key, value, tuple(_levels(line.part(0, prefix)))))


def names_level(line: Placed) -> bool:
    """Return True for a line of KEY=VALUE that begins with levels, be they misspelt; else a colon is part of its key."""
    prefix, colon, _ = line.text.partition("=")[0].partition(":")
    if not colon:
        return False
    from difflib import get_close_matches

    words = [part.partition("[")[0] for part in prefix.split(",")]
    return "[" in prefix or any(get_close_matches(word, LEVELS, 1, 0.75) for word in words)


def parse_levels(text: Placed) -> tuple[PlatformLevel, ...]:
    """Read a list of levels such as `DOCKER_METADATA_ANNOTATIONS_LEVELS` holds: `manifest,index[linux/amd64]`.

    UsageError, with line and column, for an unknown one.
    """
    levels: list[PlatformLevel] = []
    position = 0
    for part in text.text.split(","):
        if level := part.strip():
            levels += _levels(text.part(position + part.index(level), level))
        position += len(part) + 1
    return tuple(levels)


def at_levels(pairs: Iterable[tuple[str, str]], levels: Sequence[PlatformLevel]) -> tuple[Annotation, ...]:
    """Give each KEY, VALUE pair to all `levels`. UsageError for an empty key, which the label of an image can have."""
    annotations: list[Annotation] = []
    for key, value in pairs:
        if not key.strip():
            raise UsageError("the annotation has no key behind the colon", hint=_HINT)
        annotations += _annotations(key, value, levels)
    return tuple(annotations)


def _annotations(key: str, value: str, levels: Sequence[PlatformLevel]) -> Iterator[Annotation]:
    """Make one annotation for each platform that `levels` name, each level in it once."""
    for platform in dict.fromkeys(each.platform for each in levels):
        names = dict.fromkeys(each.level for each in levels if each.platform == platform)
        yield Annotation(tuple(names), platform, key, value)


def _levels(prefix: Placed) -> Iterator[PlatformLevel]:
    """Read levels that are separated by commas. UsageError for an unknown level or a malformed platform."""
    position = 0
    for part in prefix.text.split(","):
        found = _LEVEL.fullmatch(part)
        if not found or found["level"] not in LEVELS:
            raise UsageError(f"{prefix.where(position)}unknown annotation level {part!r}", hint=_HINT)
        platform = found["platform"]
        if platform is not None and not _PLATFORM.fullmatch(platform):
            raise UsageError(
                f"{prefix.where(position)}{platform!r} is not a platform",
                hint="write os/architecture or os/architecture/variant: manifest[linux/arm64]:KEY=VALUE",
            )
        yield PlatformLevel(cast("Level", found["level"]), platform)
        position += len(part) + 1
