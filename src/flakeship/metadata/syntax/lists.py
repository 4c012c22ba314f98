"""Reads inputs that hold several values: one a line, or separated by commas, in the quotes of CSV; each keeps its place.

Docker's actions read them with csv-parse and relaxed quotes: Util.getList of
https://github.com/docker/actions-toolkit/blob/main/src/util.ts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from flakeship.errors import UsageError

BLANKS: Final = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What JavaScript takes for a blank: https://tc39.es/ecma262/#sec-string.prototype.trim."""

_NEWLINE: Final = re.compile(r"\r\n|\n|\r")
_QUOTED: Final = re.compile(r'[^"]*(?:""[^"]*)*')
_PLAIN: Final = re.compile(r"[^,\r\n]*")


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece of an input, and the place where the user wrote it: `line` and `column` count from 1.

    Line 0 stands for a text that the user did not write, such as a default rule.
    """

    text: str
    line: int = 0
    column: int = 1

    def __str__(self) -> str:
        return self.text

    def part(self, offset: int, text: str) -> Placed:
        """Place `text`, which was found behind the first `offset` characters of this one."""
        return Placed(text, *self._position(offset))

    def where(self, offset: int = 0) -> str:
        """Begin a message with the place of a character: "line 3, column 5: ", or "" for a text without a place."""
        line, column = self._position(offset)
        if line:
            return f"line {line}, column {column}: "
        return f"column {column}: " if column > 1 else ""

    def _position(self, offset: int) -> tuple[int, int]:
        text = self.text  # which may be long, and have a place asked for at each of its values
        breaks = text.count("\n", 0, offset) + text.count("\r", 0, offset) - text.count("\r\n", 0, offset)
        if not breaks:
            return self.line, self.column + offset
        begin = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
        return self.line + breaks if self.line else 0, offset - begin + 1


def parse_list(text: str, *, comma: bool = True, comment: str = "", first: int = 1) -> tuple[Placed, ...]:
    """Split an input into its values; blank values, and blanks around values, are dropped.

    Blanks around the whole input are dropped first, so that a quote behind them can enclose a value. With
    `comma=False` a comma is part of the value (tag rules, labels). A line that starts with `comment` is skipped.
    `first` is the number of the first line. UsageError, with line and column, for a quote that is never closed.
    """
    values: list[Placed] = []
    for record in _records(text, comment, first):
        if not comma:
            values.append(replace(record[0], text=",".join(value.text for value in record)))
        elif len(record) == 1:
            values.extend(_cut(record[0]))
        else:
            values.extend(record)
    return tuple(value for value in map(_trimmed, values) if value.text)


def parse_lines(text: str, *, comment: str = "", first: int = 1) -> tuple[Placed, ...]:
    """Split an input into lines of text, which are taken as they are: what another tool wrote has no quotes of CSV.

    A line that begins with a quote is the one exception: it ends where the quote is closed, and so may hold line breaks
    and blanks at its ends. Blank lines, blanks around a line, and lines that start with `comment` are dropped. `first` is
    the number of the first line. UsageError, with line and column, for a quote that is never closed.
    """
    lines: list[Placed] = []
    position, line = 0, first
    while position < len(text):
        newline = _NEWLINE.search(text, position)
        end = newline.start() if newline else len(text)
        value = _trimmed(Placed(text[position:end], line, 1))
        if value.text.startswith('"'):
            start = position + value.column - 1
            quoted, stop = _field(text, start, line=line, column=value.column, comment=comment)
            newline = _NEWLINE.search(text, stop)
            end = newline.start() if newline else len(text)
            rest = text[stop:end].rstrip(BLANKS)
            lines.append(replace(quoted, text=quoted.text + rest) if rest else quoted)
        elif value.text and not (comment and value.text.startswith(comment)):
            lines.append(value)
        line += len(_NEWLINE.findall(text, position, end)) + 1
        position = newline.end() if newline else len(text)
    return tuple(lines)


def quoted_line(text: str) -> str:
    """Write a line so that `parse_lines`, and csv-parse in Docker's actions, read the very text; in quotes where need be."""
    plain = text == text.strip(BLANKS) and not text.startswith(('"', "#")) and not _NEWLINE.search(text)
    return text if plain else '"' + text.replace('"', '""') + '"'


def parse_pair(line: Placed, *, what: str) -> tuple[str, str]:
    """Cut KEY=VALUE at its first `=`; blanks around the key are dropped.

    `what` is how the message of the error calls the line: "a label". UsageError for a line without `=` or without a key.
    """
    key, equals, value = line.text.partition("=")
    if not equals or not key.strip(BLANKS):
        raise UsageError(
            f"{line.where()}{what} must be KEY=VALUE, not {line.text:.100}",
            hint='write KEY=VALUE, one a line, and in quotes if its value has line breaks: "KEY=…"',
        )
    return key.strip(BLANKS), value


def _trimmed(value: Placed) -> Placed:
    lead = len(value.text) - len(value.text.lstrip(BLANKS))
    return value.part(lead, value.text.strip(BLANKS))


def _cut(value: Placed) -> Iterator[Placed]:
    offset = 0
    for part in value.text.split(","):
        yield value.part(offset, part)
        offset += len(part) + 1


def _records(padded: str, comment: str, first: int) -> Iterator[list[Placed]]:
    text = padded.rstrip(BLANKS)
    position = len(text) - len(text.lstrip(BLANKS))
    breaks = list(_NEWLINE.finditer(text, 0, position))
    line, begin = first + len(breaks), breaks[-1].end() if breaks else 0
    record: list[Placed] = []
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
            record.append(Placed("", line, position - begin + 1))
        yield record
        record = []


def _field(text: str, start: int, *, line: int, column: int, comment: str) -> tuple[Placed, int]:
    """Read one value at `start`; the second result is where the comma, the end of the line or of the text stands."""
    if not text.startswith('"', start):
        plain, stop = _match(_PLAIN, text, start)
        return Placed(plain, line, column), stop
    inside, end = _match(_QUOTED, text, start + 1)
    if end == len(text):
        raise UsageError(
            f"line {line}, column {column}: a quote is opened here and never closed",
            hint='close it with ", or write a literal quote not at the start of the value',
        )
    value = inside.replace('""', '"')
    rest, stop = _match(_PLAIN, text, end + 1)
    if not rest or (comment and rest.startswith(comment)):
        return Placed(value + rest, line, column + 1), stop
    # Text behind the closing quote: then the quotes meant nothing and stay.
    return Placed(f'"{value}"{rest}', line, column), stop


def _match(pattern: re.Pattern[str], text: str, start: int) -> tuple[str, int]:
    found = pattern.match(text, start)
    assert found is not None
    return found.group(), found.end()
