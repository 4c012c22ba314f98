"""The labels and annotations that image-spec names, from what CI and the flake know, and those the user writes.

https://github.com/opencontainers/image-spec/blob/main/annotations.md#pre-defined-annotation-keys
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from flakeship.metadata.context import Context, NixFacts
from flakeship.metadata.syntax.lists import Placed
from flakeship.metadata.syntax.names import Names
from flakeship.metadata.syntax.templates import render

PREFIX: Final = "org.opencontainers.image."
_KNOWN: Final = ("revision", "created", "version", "source", "url")
_DESCRIBED: Final = ("title", "description", "licenses")
FLAKE: Final = frozenset(PREFIX + key for key in ("title", "version", "description", "url", "licenses"))
"""The labels that a flake can give."""

# The root collation of Unicode, which JavaScript's localeCompare follows: punctuation, digits, letters without case.
_ORDER: Final = {
    character: rank
    for rank, character in enumerate("_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz")
}


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels in the groups that a stamper lays over each other; the labels that an image has come after `known`.

    `user` are the user's lines, `known` what a flake cannot know, `described` how the host describes the project,
    `flake` how the flake does. Unknown ones are left out.
    """

    user: Mapping[str, str]
    known: Mapping[str, str]
    described: Mapping[str, str]
    flake: Mapping[str, str]

    def over(self, own: Mapping[str, str]) -> dict[str, str]:
        """Lay the groups over and under the labels that the image has already."""
        return {**self.flake, **self.described, **own, **self.known, **self.user}


def automatic(context: Context, *, version: str, created: str, nix: NixFacts | None) -> Labels:
    """Collect what is known without the user."""
    host = context.repository
    values = {
        "revision": context.sha + ("-dirty" if context.dirty and context.sha else ""),
        "created": created,
        "version": version,
        "source": host.url,
        "url": host.url,
        "title": host.name,
        "description": host.description,
        "licenses": host.license,
    }
    facts = nix or NixFacts()
    flake = {
        "title": facts.name,
        "version": facts.version,
        "description": facts.description,
        "url": facts.homepage,
        "licenses": facts.license_spdx,
    }
    return Labels(
        user={},
        known=_present({key: values[key] for key in _KNOWN}),
        described=_present({key: values[key] for key in _DESCRIBED}),
        flake=_present(flake),
    )


def fill(lines: Iterable[Placed], names: Names) -> Iterator[Placed]:
    """Fill in the templates of the user's lines. UsageError, with line and column, for what is wrong in a template."""
    return (line.part(0, render(line, names)) for line in lines)


def complete(values: Mapping[str, str]) -> dict[str, str]:
    """Give every one of the eight, empty where unknown."""
    return dict.fromkeys((PREFIX + key for key in (*_KNOWN, *_DESCRIBED)), "") | dict(values)


def ordered(values: Mapping[str, str]) -> dict[str, str]:
    """Order as metadata-action does."""
    return dict(sorted(values.items(), key=lambda item: collation_key(item[0])))


def collation_key(text: str) -> tuple[list[int], list[bool]]:
    """Order as people do: without regard to case first, then lower case before upper."""
    return (
        [_ORDER.get(character, len(_ORDER) + ord(character)) for character in text.lower()],
        [character.isupper() for character in text],
    )


def timestamp(moment: datetime) -> str:
    """Write RFC 3339 in UTC with milliseconds, as JavaScript's toISOString does."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _present(values: Mapping[str, str]) -> dict[str, str]:
    return {PREFIX + key: value for key, value in values.items() if value}
