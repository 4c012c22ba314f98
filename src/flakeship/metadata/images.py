"""Reads the input `images`: the names without a tag that every tag is combined with.

https://github.com/docker/metadata-action#images-input
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from flakeship.errors import UsageError
from flakeship.metadata.syntax.fields import parse_fields
from flakeship.metadata.syntax.lists import Placed
from flakeship.metadata.unfilled import unfilled

_HINT: Final = (
    "write REGISTRY/NAME, or name=REGISTRY/NAME,enable=true|false; letters, digits and . _ - in between"
)
# https://github.com/distribution/reference/blob/main/regexp.go: host[:port]/path, path components apart by . _ __ or dashes.
_PATH: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_IMAGE: Final = re.compile(rf"(?:(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d+)?/)?{_PATH}(?:/{_PATH})*")


def parse_images(lines: Sequence[Placed]) -> tuple[str, ...]:
    """Read the enabled names, in lower case. A single line may list several names, separated by commas.

    UsageError, with line and column, for a name that no registry takes and for an unknown key.
    """
    if len(lines) == 1:
        fields = list(parse_fields(lines[0]))
        if not any(field.key for field in fields):
            return tuple(
                _checked(field.written.part(0, field.value.text)) for field in fields if field.value.text
            )
    return tuple(name for line in lines for name in _enabled(line))


def _enabled(line: Placed) -> Iterable[str]:
    name, enable = Placed(""), True
    for field in parse_fields(line):
        text = field.value.text.partition("=")[0].strip() if field.key else field.value.text
        match field.key:
            case "" | "name":
                name = field.value.part(0, text)
            case "enable":
                enable = _switch(field.value.part(0, text), line)
            case _:
                raise UsageError(
                    f"{field.written.where()}unknown key {field.key!r} in image {line.text!r}", hint=_HINT
                )
    if not name.text:
        raise UsageError(f"{line.where()}the image has no name in {line.text!r}", hint=_HINT)
    if enable:
        yield _checked(name)


def _switch(value: Placed, line: Placed) -> bool:
    if value.text not in {"true", "false"}:
        raise UsageError(f"{value.where()}enable is {value.text!r} in image {line.text!r}", hint=_HINT)
    return value.text == "true"


def _checked(name: Placed) -> str:
    lowered = name.text.lower()
    if not _IMAGE.fullmatch(lowered):
        image, _, tag = name.text.rpartition(":")
        is_tagged = "/" not in tag and _IMAGE.fullmatch(image.lower())
        in_tags = f"write {image} here, and the tag in `tags`: `tags: {tag}`" if is_tagged and tag else ""
        _, of_variable = unfilled(name.text)
        raise UsageError(
            f"{name.where()}{name.text!r} is not an image name",
            hint=of_variable or in_tags or _HINT,
        )
    return lowered
