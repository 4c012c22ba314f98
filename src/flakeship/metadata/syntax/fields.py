"""One line of KEY=VALUE fields separated by commas, as tag rules, flavors and images are written: CSV, its quotes strict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import where

_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"')
# A comma within {{ }} is the template's, which metadata-action cannot read at all.
_PLAIN: Final = re.compile(r"(?:\{\{(?:[^{}']|'[^']*')*\}\}|[^,])*")


@dataclass(frozen=True, slots=True)
class Field:
    """One field; its key is empty without a `=`. `offset` is where it stands in the line, `value_offset` its value."""

    key: str
    value: str
    offset: int
    value_offset: int


def parse_fields(line: str) -> Iterator[Field]:
    """Split a line into fields; keys are lower-cased, both parts trimmed.

    UsageError, with line and column, for a quote that is not where CSV allows one.
    """
    position = 0
    while True:
        text, offset, position = _next(line, position)
        key, value, shift = "", text, 0
        if (equals := text.find("=")) > 0:
            key, value, shift = text[:equals], text[equals + 1 :], equals + 1
        lead = len(value) - len(value.lstrip())
        yield Field(key.strip().lower(), value.strip(), offset, offset + shift + lead)
        if position >= len(line):
            return
        position += 1


def _next(line: str, start: int) -> tuple[str, int, int]:
    """Read one field: its text, where the text stands, and where the comma behind it or the end is."""
    quoted = _QUOTED.match(line, start)
    if quoted:
        if quoted.end() < len(line) and line[quoted.end()] != ",":
            raise _quote(line, quoted.end() - 1)
        return quoted[1].replace('""', '"'), start + 1, quoted.end()
    plain = _PLAIN.match(line, start)
    assert plain is not None
    if '"' in plain.group():
        raise _quote(line, line.index('"', start))
    return plain.group(), start, plain.end()


def _quote(line: str, position: int) -> UsageError:
    return UsageError(
        f"{where(line, position)}a double quote may only enclose a whole field in {line!s:.200}",
        hint="Use single quotes within templates, or enclose the whole field and double the quotes in it.",
    )
