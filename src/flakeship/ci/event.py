"""Reads what every platform needs to describe an event: the variables of docker/metadata-action.

https://github.com/docker/metadata-action#environment-variables
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import BLANKS

_LONGEST_SHA: Final = 64
_BASED: Final = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_DECIMAL: Final = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")


def short_sha_length(environ: Mapping[str, str]) -> int:
    """Return how many digits `{{sha}}` has: DOCKER_METADATA_SHORT_SHA_LENGTH or 7. UsageError if it is no number."""
    text = environ.get("DOCKER_METADATA_SHORT_SHA_LENGTH", "")
    if not text:
        return 7
    number = _number(text.strip(BLANKS))
    if math.isnan(number):
        raise UsageError(
            f"DOCKER_METADATA_SHORT_SHA_LENGTH is {text!r:.100}, which is not a number",
            hint="set it to a number such as 12",
        )
    return int(max(0, min(number, _LONGEST_SHA)))


def _number(text: str) -> float:
    """Read a number as JavaScript's Number() does, without the blanks around it: https://tc39.es/ecma262/#prod-StringNumericLiteral."""
    if not text:
        return 0
    if found := _BASED.fullmatch(text):
        return float(int(found[0][:20], 0))
    return float(text) if _DECIMAL.fullmatch(text) else math.nan


def wants_head_sha(environ: Mapping[str, str]) -> bool:
    """Tell whether a pull request's own commit is wanted instead of the platform's test merge of it."""
    return "true" in environ.get("DOCKER_METADATA_PR_HEAD_SHA", "").lower()
