"""The labels that image-spec defines, with what CI, its host and the flake know, and the precedence of all labels.

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
"""The keys of labels that a flake can give."""

# The root collation of Unicode, which JavaScript's localeCompare follows: punctuation, digits, letters without case.
_ORDER: Final = {
    character: rank
    for rank, character in enumerate("_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz")
}


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels in groups, by who knows them; each group maps keys to values, without those that are unknown.

    `user` are the lines of the input `labels`, `known` what only the run knows (commit, date, tag, URL), `described`
    the host's description of the project, `flake` the flake's. `over` alone decides which of them wins.
    """

    user: Mapping[str, str]
    known: Mapping[str, str]
    described: Mapping[str, str]
    flake: Mapping[str, str]

    def over(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return all labels of an image that has the labels `own`: user, known, own, described, flake, the first wins."""
        return {**self.flake, **self.described, **own, **self.known, **self.user}


def automatic(context: Context, *, version: str, created: str, nix: NixFacts | None) -> Labels:
    """Collect the labels that are known without the user; `created` is the date as it is to be written, or ""."""
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
    """Return `values` with all eight keys that docker/metadata-action gives, empty where unknown."""
    return dict.fromkeys((PREFIX + key for key in (*_KNOWN, *_DESCRIBED)), "") | dict(values)


def ordered(values: Mapping[str, str]) -> dict[str, str]:
    """Return `values` in the order of docker/metadata-action."""
    return dict(sorted(values.items(), key=lambda item: collation_key(item[0])))


def collation_key(text: str) -> tuple[list[int], list[bool]]:
    """Return the key that sorts as JavaScript's localeCompare does: first without regard to case, then lower case first.

    https://github.com/docker/metadata-action/blob/master/src/meta.ts sorts labels with it.
    """
    return (
        [_ORDER.get(character, len(_ORDER) + ord(character)) for character in text.lower()],
        [character.isupper() for character in text],
    )


def timestamp(moment: datetime) -> str:
    """Write RFC 3339 in UTC with milliseconds, as JavaScript's toISOString does."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _present(values: Mapping[str, str]) -> dict[str, str]:
    return {PREFIX + key: value for key, value in values.items() if value}
