"""Where an annotation goes: the level prefixes of `docker buildx build --annotation`, and which level means what.

https://docs.docker.com/build/metadata/annotations/#specify-annotation-level
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast, get_args

from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import pair, where

Level: TypeAlias = Literal["manifest", "index", "manifest-descriptor", "index-descriptor"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)

_LEVEL: Final = re.compile(r"(?P<level>[^\[\]]*)(?:\[(?P<platform>[^\[\]]*)\])?")
_PLATFORM: Final = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_.-]+){0,2}")
_HINT: Final = (
    "Write KEY=VALUE, or LEVEL:KEY=VALUE with one or more of " + ", ".join(LEVELS) + " before the colon."
)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation and where it belongs; `platform` ("linux/amd64") is None for every platform."""

    levels: tuple[Level, ...]
    platform: str | None
    key: str
    value: str


def parse_annotation(line: str) -> tuple[Annotation, ...]:
    """Read `[LEVEL[PLATFORM],…:]KEY=VALUE`; without a level it is for the manifest.

    Several results where levels name different platforms. UsageError, with line and column, for an unknown
    level or a malformed platform. As in buildx, a colon in the key needs a level before it.
    """
    text, value = pair(line, what="an annotation")
    prefix, colon, key = text.partition(":")
    if not colon:
        return (Annotation(("manifest",), None, text, value),)
    if not key:
        raise UsageError(
            f"{where(line, len(prefix) + 1)}the annotation has no key behind the colon", hint=_HINT
        )
    wanted: dict[str | None, list[Level]] = {}
    for level, platform in _levels(prefix, line):
        levels = wanted.setdefault(platform, [])
        if level not in levels:
            levels.append(level)
    return tuple(Annotation(tuple(levels), platform, key, value) for platform, levels in wanted.items())


def names_level(line: str) -> bool:
    """Whether a line of KEY=VALUE begins with levels, be it misspelt ones; else a colon is part of its key."""
    prefix, colon, _ = line.partition("=")[0].partition(":")
    if not colon:
        return False
    from difflib import get_close_matches

    words = [part.partition("[")[0] for part in prefix.split(",")]
    return "[" in prefix or any(get_close_matches(word, LEVELS, 1, 0.75) for word in words)


def parse_levels(text: str) -> tuple[str, ...]:
    """Read a list of levels such as `DOCKER_METADATA_ANNOTATIONS_LEVELS` holds; platforms in brackets are kept.

    UsageError, with line and column, for one that there is not.
    """
    levels, position = [], 0
    for part in text.split(","):
        if level := part.strip():
            levels.append(level)
            tuple(_levels(level, text, position + part.index(level)))
        position += len(part) + 1
    return tuple(levels)


def at_levels(pairs: Iterable[tuple[str, str]], levels: Iterable[str]) -> tuple[Annotation, ...]:
    """Give each KEY, VALUE pair to all `levels`."""
    prefix = ",".join(levels)
    return tuple(
        annotation for key, value in pairs for annotation in parse_annotation(f"{prefix}:{key}={value}")
    )


def _levels(prefix: str, line: str, position: int = 0) -> Iterator[tuple[Level, str | None]]:
    """UsageError for what is none; `position` is where the prefix stands in the line."""
    for part in prefix.split(","):
        found = _LEVEL.fullmatch(part)
        if not found or found["level"] not in LEVELS:
            raise UsageError(f"{where(line, position)}unknown annotation level {part!r}", hint=_HINT)
        platform = found["platform"]
        if platform is not None and not _PLATFORM.fullmatch(platform):
            raise UsageError(
                f"{where(line, position)}{platform!r} is not a platform",
                hint="Write os/architecture or os/architecture/variant: manifest[linux/arm64]:KEY=VALUE.",
            )
        yield cast("Level", found["level"]), platform
        position += len(part) + 1
