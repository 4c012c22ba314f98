"""Inputs that hold several values: a value a line, or separated by commas, with CSV's quotes, as Docker's actions read them.

https://github.com/docker/actions-toolkit (Util.getList) sets csv-parse to relaxed quotes; so do we.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Self

from flakeship.errors import UsageError

_NEWLINE: Final = re.compile(r"\r\n|\n|\r")
_QUOTED: Final = re.compile(r'[^"]*(?:""[^"]*)*')
_PLAIN: Final = re.compile(r"[^,\r\n]*")


class Entry(str):
    """One value of a list, which knows where it stood: `line` and `column` count from 1."""

    __slots__ = ("column", "line")
    line: int
    column: int

    def __new__(cls, text: str, *, line: int, column: int = 1) -> Self:
        entry = super().__new__(cls, text)
        entry.line = line
        entry.column = column
        return entry


def parse_list(text: str, *, comma: bool = True, comment: str = "", first: int = 1) -> tuple[str, ...]:
    """Split an input into its values; each is an `Entry`. Blank values are dropped, blanks around a value too, and those
    around the whole input before anything else: they do not keep a quote from enclosing a value.

    With `comma=False` a comma is part of the value (tag rules, labels). A line that starts with `comment` is
    skipped. `first` is the number of the first line. UsageError, with line and column, for a quote that is never closed.
    """
    values = []
    for record in _records(text, comment, first):
        if not comma:
            values.append(Entry(",".join(record), line=record[0].line, column=record[0].column))
        elif len(record) == 1:
            values.extend(_cut(record[0]))
        else:
            values.extend(record)
    return tuple(filter(None, map(_trimmed, values)))


def parse_pairs(text: str, *, what: str = "an entry", comment: str = "") -> dict[str, str]:
    """Read lines of KEY=VALUE in their order, the last one of a key wins. UsageError names the line of a bad one.

    `what` is how messages call a line: "a label".
    """
    return dict(pair(entry, what=what) for entry in parse_list(text, comma=False, comment=comment))


def pair(entry: str, *, what: str) -> tuple[str, str]:
    """Cut KEY=VALUE at its first `=`. UsageError for one without, or with an empty key."""
    key, equals, value = entry.partition("=")
    if not equals or not key.strip():
        raise UsageError(
            f"{where(entry)}{what} must be KEY=VALUE, not {entry!s:.100}", hint="Write KEY=VALUE, one a line."
        )
    return key.strip(), value


def placed(entry: str, offset: int, part: str) -> str:
    """Let a part of a value know where it stands, if the value knows."""
    if not isinstance(entry, Entry):
        return part
    return Entry(part, line=entry.line, column=entry.column + offset)


def numbered(lines: Sequence[str]) -> tuple[str, ...]:
    """Give lines that do not know their place their number."""
    return tuple(
        line if isinstance(line, Entry) else Entry(line, line=number) for number, line in enumerate(lines, 1)
    )


def where(entry: str, offset: int = 0) -> str:
    """Say the place of a value's character `offset` for a message: "line 3, column 5: ", or nothing if unknown."""
    if not isinstance(entry, Entry):
        return f"column {offset + 1}: " if offset else ""
    before = _NEWLINE.split(entry[:offset])
    column = len(before[-1]) + (entry.column if len(before) == 1 else 1)
    return f"line {entry.line + len(before) - 1}, column {column}: "


def _trimmed(entry: Entry) -> Entry:
    lead = len(entry) - len(entry.lstrip())
    return Entry(entry.strip(), line=entry.line, column=entry.column + lead)


def _cut(entry: Entry) -> Iterator[Entry]:
    column = entry.column
    for part in entry.split(","):
        yield Entry(part, line=entry.line, column=column)
        column += len(part) + 1


def _records(padded: str, comment: str, first: int) -> Iterator[list[Entry]]:
    text = padded.rstrip()
    position = len(text) - len(text.lstrip())
    breaks = list(_NEWLINE.finditer(text, 0, position))
    line, begin = first + len(breaks), breaks[-1].end() if breaks else 0
    record: list[Entry] = []
    while position < len(text):
        at_start = not record
        if at_start and (newline := _NEWLINE.match(text, position)):
            position = begin = newline.end()
            line += 1
            continue
        if at_start and comment and text.startswith(comment, position):
            newline = _NEWLINE.search(text, position)
            position = newline.start() if newline else len(text)
            continue
        value, end = _field(text, position, line=line, column=position - begin + 1, comment=comment)
        record.append(value)
        breaks = list(_NEWLINE.finditer(text, position, end))
        if breaks:
            line, begin = line + len(breaks), breaks[-1].end()
        position = end
        if text.startswith(",", position):
            position += 1
            if position < len(text) and not _NEWLINE.match(text, position):
                continue
            record.append(Entry("", line=line, column=position - begin + 1))
        yield record
        record = []


def _field(text: str, start: int, *, line: int, column: int, comment: str) -> tuple[Entry, int]:
    """Read one value at `start`; the second result is where the comma, the end of the line or of the text stands."""
    if not text.startswith('"', start):
        plain, stop = _match(_PLAIN, text, start)
        return Entry(plain, line=line, column=column), stop
    inside, end = _match(_QUOTED, text, start + 1)
    if end == len(text):
        raise UsageError(
            f"line {line}, column {column}: a quote is opened here and never closed",
            hint='Close it with ", or write a literal quote not at the start of the value.',
        )
    value = inside.replace('""', '"')
    rest, stop = _match(_PLAIN, text, end + 1)
    if not rest or (comment and rest.startswith(comment)):
        return Entry(value + rest, line=line, column=column + 1), stop
    # Text behind the closing quote: then the quotes meant nothing and stay.
    return Entry(f'"{value}"{rest}', line=line, column=column), stop


def _match(pattern: re.Pattern[str], text: str, start: int) -> tuple[str, int]:
    found = pattern.match(text, start)
    assert found is not None
    return found.group(), found.end()
