"""The `flavor` input: what holds for all tags, and whether `latest` is among them.

https://github.com/docker/metadata-action#flavor-input
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from flakeship.errors import UsageError
from flakeship.metadata.syntax.fields import Field, parse_fields
from flakeship.metadata.syntax.lists import placed, where

_HINT: Final = "Write latest=auto|true|false, prefix=TEXT[,onlatest=true], or suffix=TEXT[,onlatest=true]."


@dataclass(frozen=True, slots=True)
class Flavor:
    """`prefix` and `suffix` may be templates. `prefix_latest` says that `latest` gets the prefix too."""

    latest: Literal["auto", "true", "false"] = "auto"
    prefix: str = ""
    suffix: str = ""
    prefix_latest: bool = False
    suffix_latest: bool = False

    @property
    def latest_tag(self) -> str:
        """As in metadata-action, templates in the prefix are not filled in here."""
        return f"{self.prefix if self.prefix_latest else ''}latest{self.suffix if self.suffix_latest else ''}"


def parse_flavor(lines: Iterable[str]) -> Flavor:
    """Read the lines in turn; a later one wins. UsageError names line and column."""
    flavor = Flavor()
    for line in lines:
        affix = ""
        for field in parse_fields(line):
            flavor = _with(flavor, field, affix, line)
            affix = field.key if field.key in {"prefix", "suffix"} else affix
    return flavor


def _with(flavor: Flavor, field: Field, affix: str, line: str) -> Flavor:
    value = placed(line, field.value_offset, field.value.partition("=")[0].strip())
    match field.key:
        case "latest" if value in {"auto", "true", "false"}:
            return replace(flavor, latest=cast("Literal['auto', 'true', 'false']", value))
        case "prefix":
            return replace(flavor, prefix=value)
        case "suffix":
            return replace(flavor, suffix=value)
        case "onlatest" if value in {"true", "false"}:
            if affix == "prefix":
                return replace(flavor, prefix_latest=value == "true")
            return replace(flavor, suffix_latest=value == "true") if affix == "suffix" else flavor
        case "latest" | "onlatest":
            raise UsageError(
                f"{where(line, field.value_offset)}{field.key} is {value!r} in {line}", hint=_HINT
            )
        case _:
            raise UsageError(f"{where(line, field.offset)}unknown entry in flavor {line!r}", hint=_HINT)
