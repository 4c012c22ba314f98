"""Labels and annotations as docker/metadata-action hands them on: a value with line breaks is not quoted there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flakeship.metadata.labels import collation_key, complete
from flakeship.metadata.syntax.lists import Placed

_LEVELS: Final = re.compile(r"(?:(?:manifest|index)(?:-descriptor)?(?:\[[^\[\]]*\])?,?)+:")


def whole_lines(lines: Sequence[Placed]) -> tuple[Placed, ...]:
    """Return the lines, each with the lines that its value goes on over.

    What metadata-action gives is told by its eight keys, which it always writes and sorts: between the first and the last
    of them a line that is no KEY=VALUE, or whose key does not belong there, is part of the value above. Anywhere else
    nothing is taken for that.
    """
    prefixes = dict.fromkeys(hit[0] if (hit := _LEVELS.match(line.text)) else "" for line in lines)
    found = tuple(lines)
    for prefix in prefixes:
        found = _joined(found, prefix)
    return found


def _joined(lines: tuple[Placed, ...], prefix: str) -> tuple[Placed, ...]:
    anchors = {prefix + key for key in complete({})}
    keys = [_key(line) for line in lines]
    places = [number for number, key in enumerate(keys) if key in anchors]
    if not anchors <= set(keys):
        return lines
    whole: list[Placed] = list(lines[: places[0]])
    last = ""
    for number in range(places[0], places[-1] + 1):
        line, key = lines[number], keys[number]
        following = next(keys[place] for place in places if place >= number)
        if key in anchors or (_is_key(key, prefix) and _between(last, key, following)):
            whole.append(line)
            last = key
        else:
            before = whole[-1]
            breaks = line.line - before.line - before.text.count("\n") if line.line else 1
            whole[-1] = replace(before, text=before.text + "\n" * max(1, breaks) + line.text)
    return (*whole, *lines[places[-1] + 1 :])


def _key(line: Placed) -> str:
    key, equals, _ = line.text.partition("=")
    return key.strip() if equals else ""


def _is_key(key: str, prefix: str) -> bool:
    return bool(key) and key.startswith(prefix) and not re.search(r"\s", key)


def _between(first: str, key: str, last: str) -> bool:
    return collation_key(first) <= collation_key(key) <= collation_key(last)
