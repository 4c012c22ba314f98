"""The language of tag rules: which types there are, which keys they know, and what stands where nothing is written.

https://github.com/docker/metadata-action#tags-input; `type=nix` and `event=mr` are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flakeship.errors import UsageError
from flakeship.metadata.syntax.fields import Field, parse_fields
from flakeship.metadata.syntax.lists import where

DEFAULTS: Final = ("type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr")
"""The rules where none is written."""

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
_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*|\s*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `attributes` holds what is written and what stands for it otherwise; `offsets` where values stand.

    `doubts` are what the user should hear of how it was read.
    """

    type: str
    attributes: Mapping[str, str]
    offsets: Mapping[str, int]
    priority: float
    source: str
    doubts: tuple[str, ...] = ()

    def get(self, key: str) -> str:
        return self.attributes.get(key, "")

    def error(self, key: str, message: str, hint: str) -> UsageError:
        return UsageError(f"{where(self.source, self.offsets.get(key, 0))}{message}", hint=hint)

    def __str__(self) -> str:
        return str(self.source)


def parse_rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """Read the rules, highest priority first, else in the order written. UsageError names line and column."""
    rules = [parse_rule(line) for line in lines] or [parse_rule(line) for line in DEFAULTS]
    return tuple(sorted(rules, key=lambda rule: -rule.priority))


def parse_rule(line: str) -> Rule:
    """Read one rule; a line without a type is `type=raw`."""
    written = tuple(parse_fields(line))
    fields = {field.key or "value": field for field in written}
    for key, field in fields.items():
        if key not in _KEYS:
            raise _error(
                line, field.offset, f"unknown key {key!r} in {line}", f"A rule knows {', '.join(_KEYS)}."
            )
    kind = _type(line, fields.pop("type", None))
    attributes = dict(_FALLBACKS.get(kind, {})) | {key: field.value for key, field in fields.items()}
    if (kind, attributes.get("event")) in {("ref", "pr"), ("ref", "mr")}:
        attributes.setdefault("prefix", f"{attributes['event']}-")
    _check(line, kind, attributes, fields)
    priority = attributes.get("priority", str(_PRIORITIES[kind]))
    offsets = {key: field.value_offset for key, field in fields.items()}
    return Rule(
        kind, attributes, offsets, float(priority.strip() or 0), line, tuple(_strays(line, kind, written))
    )


def _strays(line: str, kind: str, written: Sequence[Field]) -> Iterator[str]:
    """What no key claims is the value; where the rule has one already, or takes none, a comma is too many."""
    values = [field for field in written if field.key in {"", "value"}]
    if len(values) > 1 or kind in _WITHOUT_VALUE:
        for field in values:
            if not field.key:
                yield f"{where(line, field.offset)}there may be a comma too many before {field.value!r} in {line}"


def _type(line: str, field: Field | None) -> str:
    if field is None:
        return "raw"
    if field.value not in _PRIORITIES:
        raise _error(
            line,
            field.value_offset,
            f"unknown type {field.value!r} in {line}",
            f"Types are {', '.join(_PRIORITIES)}.",
        )
    return field.value


def _check(line: str, kind: str, attributes: Mapping[str, str], fields: Mapping[str, Field]) -> None:
    needed = _NEEDED.get(kind)
    if needed and needed not in attributes:
        raise _error(line, 0, f"type={kind} needs {needed}= in {line}", f"Write type={kind},{needed}=….")
    for key, value in attributes.items():
        offset = fields[key].value_offset if key in fields else 0
        choices = _CHOICES.get((kind, key))
        if choices and value not in choices:
            raise _error(
                line,
                offset,
                f"unknown {key} {value!r} in {line}",
                f"Write {key}= with one of {', '.join(choices)}.",
            )
        if key == "priority" and not _NUMBER.fullmatch(value):
            raise _error(
                line,
                offset,
                f"priority {value!r} is no number in {line}",
                "Write a number; the highest comes first.",
            )
        if (kind, key) == ("match", "group") and not _NUMBER.fullmatch(value):
            raise _error(
                line,
                offset,
                f"group {value!r} is no number in {line}",
                "Write the number of a group in the pattern.",
            )


def _error(line: str, offset: int, message: str, hint: str) -> UsageError:
    return UsageError(f"{where(line, offset)}{message}", hint=hint)
