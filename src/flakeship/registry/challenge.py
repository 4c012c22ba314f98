"""The header `WWW-Authenticate`, which may hold several challenges: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

# Each of these is tried where the one before it ended, and none looks further than it takes: a header of 64 KiB that a
# hostile server sends is read in one pass.
_SEPARATORS: Final = re.compile(r"[\s,]*")
_WORD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r'\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"=][^\s,"]*))')
_OPEN: Final = re.compile(r'\s*=\s*"')
_SCHEME_ENDS: Final = re.compile(r"[\s,]|$")
_TOKEN68: Final = re.compile(r"\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")
_MALFORMED: Final = re.compile(r"[^\s,]*")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge. `scheme` (`basic`, `bearer`) and the names of `parameters` (`realm`) are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Return all challenges of a header whose values were joined by commas. Malformed parts are left out."""
    return tuple(_challenges(header))


def _challenges(header: str) -> Iterator[Challenge]:
    scheme, parameters = "", dict[str, str]()
    position = _after(_SEPARATORS, header, 0)
    while position < len(header):
        word = _WORD.match(header, position)
        position = word.end() if word else position
        if word and (value := _VALUE.match(header, position)):
            quoted, bare = value["quoted"], value["bare"]
            text = re.sub(r"\\(.)", r"\1", quoted) if bare is None else bare
            parameters.setdefault(word[0].lower(), text)
            position = value.end()
        elif _OPEN.match(header, position):
            break  # a quote that nothing closes takes the rest with it
        elif word and _SCHEME_ENDS.match(header, position):
            if scheme:
                yield Challenge(scheme, parameters)
            scheme, parameters = word[0].lower(), {}
            position = _after(_TOKEN68, header, position)
        else:
            position = _after(_MALFORMED, header, position)
        position = _after(_SEPARATORS, header, position)
    if scheme:
        yield Challenge(scheme, parameters)


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Return the position behind what `pattern` matches at `position`, and `position` where it matches nothing."""
    hit = pattern.match(text, position)
    return hit.end() if hit else position


def usable_challenge(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """Return the first challenge that can be answered: Basic, or Bearer with a realm. Others, as Negotiate, cannot."""
    return next(
        (
            challenge
            for challenge in challenges
            if challenge.scheme == "basic"
            or (challenge.scheme == "bearer" and challenge.parameters.get("realm"))
        ),
        None,
    )
