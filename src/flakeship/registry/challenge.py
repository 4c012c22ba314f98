"""The header `WWW-Authenticate`, which may hold several challenges: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'[\s,]*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"=]+))')
_SCHEME: Final = re.compile(rf"[\s,]*({_WORD})(?=[\s,]|$)")
_TOKEN68: Final = re.compile(r"\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge. `scheme` (`basic`, `bearer`) and the names of `parameters` (`realm`) are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Return all challenges of a header whose values were joined by commas. Malformed parts are left out."""
    return tuple(_challenges(header))


def _challenges(header: str) -> Iterator[Challenge]:
    position = 0
    while position < len(header):
        scheme = _SCHEME.match(header, position)
        if not scheme:
            position += 1
            continue
        parameters: dict[str, str] = {}
        position = scheme.end()
        while parameter := _PARAMETER.match(header, position):
            name, quoted, bare = parameter.groups()
            parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if bare is None else bare)
            position = parameter.end()
        if not parameters and (opaque := _TOKEN68.match(header, position)):
            position = opaque.end()
        yield Challenge(scheme[1].lower(), parameters)


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
