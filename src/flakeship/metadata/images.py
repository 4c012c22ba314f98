"""The `images` input: the names that every tag is put behind.

https://github.com/docker/metadata-action#images-input
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from flakeship.errors import UsageError
from flakeship.metadata.syntax.fields import Field, parse_fields
from flakeship.metadata.syntax.lists import where

_HINT: Final = (
    "Write REGISTRY/NAME, or name=REGISTRY/NAME,enable=true|false; letters, digits and . _ - in between."
)
# https://github.com/distribution/reference/blob/main/regexp.go: host[:port]/path, path components apart by . _ __ or dashes.
_PATH: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_IMAGE: Final = re.compile(rf"(?:(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d+)?/)?{_PATH}(?:/{_PATH})*")


def parse_images(lines: Sequence[str]) -> tuple[str, ...]:
    """Read the enabled names, lower-cased. One line alone may list several names with commas. UsageError names line and column."""
    if len(lines) == 1:
        fields = list(parse_fields(lines[0]))
        if not any(field.key for field in fields):
            return tuple(_checked(field.value, lines[0], field.offset) for field in fields if field.value)
    return tuple(name for line in lines for name in _enabled(line))


def _enabled(line: str) -> Iterable[str]:
    name, offset, enable = "", 0, True
    for field in parse_fields(line):
        value = field.value.partition("=")[0].strip() if field.key else field.value
        match field.key:
            case "" | "name":
                name, offset = value, field.value_offset
            case "enable":
                enable = _switch(value, field, line)
            case _:
                raise UsageError(
                    f"{where(line, field.offset)}unknown key {field.key!r} in image {line!r}", hint=_HINT
                )
    if not name:
        raise UsageError(f"{where(line)}the image has no name in {line!r}", hint=_HINT)
    if enable:
        yield _checked(name, line, offset)


def _switch(value: str, field: Field, line: str) -> bool:
    if value not in {"true", "false"}:
        raise UsageError(
            f"{where(line, field.value_offset)}enable is {value!r} in image {line!r}", hint=_HINT
        )
    return value == "true"


def _checked(name: str, line: str, offset: int) -> str:
    lowered = name.lower()
    if not _IMAGE.fullmatch(lowered):
        raise UsageError(f"{where(line, offset)}{name!r} is not an image name", hint=_HINT)
    return lowered
