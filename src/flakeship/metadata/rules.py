"""Reads tag rules: their types, the keys of each type, and the defaults of keys that are not written.

https://github.com/docker/metadata-action#tags-input; `type=nix` and `event=mr` are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.errors import UsageError
from flakeship.metadata.syntax.fields import Field, parse_fields
from flakeship.metadata.syntax.lists import Placed

DEFAULTS: Final = tuple(
    map(Placed, ("type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"))
)
"""The rules that apply where the user writes none."""

_PRIORITIES: Final = {
    "schedule": 1000,
    "semver": 900,
    "pep440": 900,
    "match": 800,
    "edge": 700,
    "ref": 600,
    "raw": 200,
    "nix": 150,
    "sha": 100,
}
_KEYS: Final = (
    "type", "pattern", "value", "event", "branch", "prefix", "suffix", "enable", "priority", "format", "group", "match",
)  # fmt: skip
_NEEDED: Final = {
    "semver": "pattern",
    "pep440": "pattern",
    "match": "pattern",
    "ref": "event",
    "raw": "value",
    "nix": "value",
}
_WITHOUT_VALUE: Final = ("schedule", "edge", "ref", "sha")
_CHOICES: Final = {
    ("ref", "event"): ("branch", "tag", "pr", "mr"),
    ("sha", "format"): ("short", "long"),
    ("nix", "value"): ("hash", "version", "name"),
}
_FALLBACKS: Final[Mapping[str, Mapping[str, str]]] = {
    "schedule": {"pattern": "nightly"},
    "match": {"group": "0"},
    "sha": {"prefix": "sha-", "format": "short"},
}
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*|\s*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `attributes` holds the values that are written, and the defaults of the others.

    `doubts` are warnings for the user about how the rule was read.
    """

    type: str
    attributes: Mapping[str, Placed]
    priority: float
    source: Placed
    doubts: tuple[str, ...] = ()

    def get(self, key: str) -> str:
        """Return the text of an attribute, "" where the rule has none."""
        value = self.attributes.get(key)
        return value.text if value else ""

    def error(self, key: str, message: str, hint: str) -> UsageError:
        """Make an error about the value of `key`; it names the place of the value, or of the rule that has none."""
        return UsageError(f"{self.attributes.get(key, self.source).where()}{message}", hint=hint)

    def __str__(self) -> str:
        return self.source.text


def parse_rules(lines: Sequence[Placed]) -> tuple[Rule, ...]:
    """Read the rules, or the defaults where there is no line: highest priority first, else in the order written.

    UsageError, with line and column, for an unknown type, key or value, and for a key that lacks.
    """
    return tuple(sorted(map(parse_rule, lines or DEFAULTS), key=lambda rule: -rule.priority))


def parse_rule(line: Placed) -> Rule:
    """Read one rule; a line without a type is `type=raw`. UsageError as for `parse_rules`."""
    written = tuple(parse_fields(line))
    fields = {field.key or "value": field for field in written}
    for key, field in fields.items():
        if key not in _KEYS:
            raise _error(
                field.written, f"unknown key {key!r} in {line}", f"write one of the keys {', '.join(_KEYS)}"
            )
    kind = _type(line, fields.pop("type", None))
    attributes = {key: line.part(0, text) for key, text in _FALLBACKS.get(kind, {}).items()}
    attributes |= {key: field.value for key, field in fields.items()}
    if kind == "ref" and "event" in attributes and (event := attributes["event"].text) in {"pr", "mr"}:
        attributes.setdefault("prefix", line.part(0, f"{event}-"))
    _check(line, kind, attributes)
    priority = attributes["priority"].text.strip() if "priority" in attributes else str(_PRIORITIES[kind])
    return Rule(kind, attributes, float(priority or 0), line, tuple(_strays(line, kind, written)))


def _strays(line: Placed, kind: str, written: Sequence[Field]) -> Iterator[str]:
    """Warn once of fields without a key where the rule has a value already, or takes none: they come of a comma too many."""
    values = [field for field in written if field.key in {"", "value"}]
    if len(values) > 1 or kind in _WITHOUT_VALUE:
        strays = [field for field in values if not field.key]
        if strays:
            others = len(strays) - 1
            more = f" and {others} more field{'s' if others > 1 else ''}" if others else ""
            place = strays[0].written.where()
            yield f"{place}there may be a comma too many before {strays[0].value.text!r}{more} in {line}"


def _type(line: Placed, field: Field | None) -> str:
    if field is None:
        return "raw"
    kind = field.value.text
    if kind not in _PRIORITIES:
        raise _error(
            field.value,
            f"unknown type {kind!r} in {line}",
            f"write one of the types {', '.join(_PRIORITIES)}",
        )
    return kind


def _check(line: Placed, kind: str, attributes: Mapping[str, Placed]) -> None:
    needed = _NEEDED.get(kind)
    if needed and needed not in attributes:
        raise _error(line, f"type={kind} needs {needed}= in {line}", f"write type={kind},{needed}=…")
    for key, value in attributes.items():
        text = value.text
        choices = _CHOICES.get((kind, key))
        if choices and text not in choices:
            raise _error(
                value, f"unknown {key} {text!r} in {line}", f"write {key}= with one of {', '.join(choices)}"
            )
        if key == "priority" and not _NUMBER.fullmatch(text):
            raise _error(
                value,
                f"priority {text!r} is not a number in {line}",
                "write a number; the rule with the highest comes first",
            )
        if (kind, key) == ("match", "group") and not _NUMBER.fullmatch(text):
            raise _error(
                value,
                f"group {text!r} is not a number in {line}",
                "write the number of a group in the pattern",
            )


def _error(place: Placed, message: str, hint: str) -> UsageError:
    return UsageError(f"{place.where()}{message}", hint=hint)
