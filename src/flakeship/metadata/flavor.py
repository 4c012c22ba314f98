"""Reads the input `flavor`: prefix and suffix of all tags, and whether `latest` is one of them.

https://github.com/docker/metadata-action#flavor-input
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from flakeship.errors import UsageError
from flakeship.metadata.syntax.fields import Field, parse_fields
from flakeship.metadata.syntax.lists import Placed

_HINT: Final = "write latest=auto|true|false, prefix=TEXT[,onlatest=true], or suffix=TEXT[,onlatest=true]"
_NOTHING: Final = Placed("")


@dataclass(frozen=True, slots=True)
class Flavor:
    """One flavor. `prefix` and `suffix` may be templates; with `prefix_latest`, the tag `latest` gets the prefix too."""

    latest: Literal["auto", "true", "false"] = "auto"
    prefix: Placed = _NOTHING
    suffix: Placed = _NOTHING
    prefix_latest: bool = False
    suffix_latest: bool = False

    @property
    def latest_tag(self) -> str:
        """The tag that stands for `latest`. As in docker/metadata-action, templates in its prefix are not filled in."""
        prefix = self.prefix.text if self.prefix_latest else ""
        suffix = self.suffix.text if self.suffix_latest else ""
        return f"{prefix}latest{suffix}"


def parse_flavor(lines: Iterable[Placed]) -> Flavor:
    """Read the lines; a later one wins. UsageError, with line and column, for an unknown key or value."""
    flavor = Flavor()
    for line in lines:
        affix = ""
        for field in parse_fields(line):
            flavor = _with(flavor, field, affix, line)
            affix = field.key if field.key in {"prefix", "suffix"} else affix
    return flavor


def _with(flavor: Flavor, field: Field, affix: str, line: Placed) -> Flavor:
    value = field.value.part(0, field.value.text.partition("=")[0].strip())
    match field.key:
        case "latest" if value.text in {"auto", "true", "false"}:
            return replace(flavor, latest=cast("Literal['auto', 'true', 'false']", value.text))
        case "prefix":
            return replace(flavor, prefix=value)
        case "suffix":
            return replace(flavor, suffix=value)
        case "onlatest" if value.text in {"true", "false"}:
            if affix == "prefix":
                return replace(flavor, prefix_latest=value.text == "true")
            return replace(flavor, suffix_latest=value.text == "true") if affix == "suffix" else flavor
        case "latest" | "onlatest":
            raise UsageError(f"{value.where()}{field.key} is {value.text!r} in {line}", hint=_HINT)
        case _:
            raise UsageError(f"{field.written.where()}unknown entry in flavor {line.text!r}", hint=_HINT)
