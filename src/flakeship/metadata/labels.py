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

# The root collation of Unicode, which JavaScript's localeCompare follows: blanks, punctuation, digits, letters without case.
_ORDER: Final = {
    character: rank
    for rank, character in enumerate(
        "\t\n\v\f\r\u2028\u2029 _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"
    )
}
# Accents too have an order of their own there; what is not in it comes later.
_ACCENTS: Final = {
    ord(accent): chr(rank)
    for rank, accent in enumerate("\u0301\u0300\u0306\u0302\u030c\u030a\u0308\u030b\u0303\u0307", 1)
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
    sha = context.sha if context.describes_source else ""
    values = {
        "revision": sha + ("-dirty" if context.dirty and sha else ""),
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


def collation_key(text: str) -> tuple[list[int], list[str], list[bool]]:
    """Return the key that sorts as JavaScript's localeCompare does: by letters, then by accents, then lower case first.

    Letters of other scripts than the Latin one are in the order of their code points.
    https://github.com/docker/metadata-action/blob/master/src/meta.ts sorts labels with it.
    """
    parts = [_accented(character) for character in text if character.isprintable() or character in _ORDER]
    return (
        [_ORDER.get(base, len(_ORDER) + ord(base)) for base, _, _ in parts],
        [accent for _, accent, _ in parts],
        [upper for _, _, upper in parts],
    )


def _accented(character: str) -> tuple[str, str, bool]:
    """Return a letter without case and accent, its accents, and whether it is upper case."""
    if character.isascii():
        return character.lower(), "", character.isupper()
    import unicodedata

    decomposed = unicodedata.normalize("NFD", character)
    return decomposed[0].lower()[0], decomposed[1:].translate(_ACCENTS), character.isupper()


def timestamp(moment: datetime) -> str:
    """Write RFC 3339 in UTC with milliseconds, as JavaScript's toISOString does."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _present(values: Mapping[str, str]) -> dict[str, str]:
    return {PREFIX + key: value for key, value in values.items() if value}
