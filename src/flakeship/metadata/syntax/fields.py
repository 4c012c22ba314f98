"""Reads one line of KEY=VALUE fields separated by commas, which tag rules, flavors and images are: CSV with strict quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import BLANKS, Placed

_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"')
# A comma within {{ }} belongs to the template; docker/metadata-action splits the template there.
_PLAIN: Final = re.compile(r"(?:\{\{(?:[^{}']|'[^']*')*\}\}|[^,])*")


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `written` is all of it. `key` is in lower case, and empty in a field without `=`."""

    key: str
    value: Placed
    written: Placed


def parse_fields(line: Placed) -> Iterator[Field]:
    """Split a line into fields; blanks around key and value are dropped.

    UsageError, with line and column, for a quote that is not where CSV allows one.
    """
    position = 0
    while True:
        text, offset, position = _next(line, position)
        key, value, shift = "", text, 0
        if (equals := text.find("=")) > 0:
            key, value, shift = text[:equals], text[equals + 1 :], equals + 1
        lead = len(value) - len(value.lstrip(BLANKS))
        yield Field(
            key.strip(BLANKS).lower(),
            value=line.part(offset + shift + lead, value.strip(BLANKS)),
            written=line.part(offset, text),
        )
        if position >= len(line.text):
            return
        position += 1


def _next(line: Placed, start: int) -> tuple[str, int, int]:
    """Read one field: its text, where the text begins, and where the comma behind it or the end of the line is."""
    text = line.text
    quoted = _QUOTED.match(text, start)
    if quoted:
        if quoted.end() < len(text) and text[quoted.end()] != ",":
            raise _quote(line, quoted.end() - 1)
        return quoted[1].replace('""', '"'), start + 1, quoted.end()
    plain = _PLAIN.match(text, start)
    assert plain is not None
    if '"' in plain.group():
        raise _quote(line, text.index('"', start))
    return plain.group(), start, plain.end()


def _quote(line: Placed, position: int) -> UsageError:
    return UsageError(
        f"{line.where(position)}a double quote may only enclose a whole field in {line.text:.200}",
        hint="use single quotes within templates, or enclose the whole field and double the quotes in it",
    )
