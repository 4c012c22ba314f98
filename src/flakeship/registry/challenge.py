"""Reading `WWW-Authenticate`: several challenges may share one header (RFC 9110, 11.6.1)."""

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
    """`scheme` and the names of `parameters` are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """All challenges of the header's values, joined by commas; what is malformed is passed over."""
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
    """The first that can be answered: Basic, or Bearer with a realm; the first one offered may be Negotiate."""
    return next(
        (
            challenge
            for challenge in challenges
            if challenge.scheme == "basic"
            or (challenge.scheme == "bearer" and challenge.parameters.get("realm"))
        ),
        None,
    )
