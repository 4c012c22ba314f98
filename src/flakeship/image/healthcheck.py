"""The Dockerfile's HEALTHCHECK instruction → the object that docker's config holds.

https://docs.docker.com/reference/dockerfile/#healthcheck
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from flakeship.errors import UsageError

_OPTIONS: Final = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
    "retries": "Retries",
}
_OPTION: Final = re.compile(r"--([a-z-]+)=(\S+)\s*")
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_AMOUNT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)", re.ASCII)
_SHORTEST: Final = 1_000_000
_HINT: Final = 'write NONE, or `[--interval=30s] [--timeout=5s] [--retries=3] CMD ["/bin/curl", "-f", "http://localhost/"]`'


def parse_healthcheck(text: str, words: Callable[[str], tuple[str, ...]]) -> dict[str, Any]:
    """UsageError for what docker would refuse. `words` reads a JSON list."""
    rest, options = text.strip(), dict[str, Any]()
    while hit := _OPTION.match(rest):
        options |= _option(hit[1], hit[2])
        rest = rest[hit.end() :]
    kind, _, command = rest.partition(" ")
    command = command.strip()
    if kind.upper() == "NONE" and not command and not options:
        return {"Test": ["NONE"]}
    if kind.upper() != "CMD" or not command:
        raise _wrong(text, "it is neither NONE nor CMD with a command")
    # The shell form needs a shell in the image, which docker starts by itself: /bin/sh -c
    test = ["CMD", *words(command)] if command.startswith("[") else ["CMD-SHELL", command]
    return {**options, "Test": test}


def _option(name: str, value: str) -> dict[str, int]:
    key = _OPTIONS.get(name)
    if key is None:
        raise _wrong(f"--{name}", f"there are only {', '.join(_OPTIONS)}")
    if name == "retries":
        if not re.fullmatch(r"[0-9]{1,6}", value):
            raise _wrong(f"--{name}={value}", "it is not a number")
        return {key: int(value)}
    return {key: _nanoseconds(name, value)}


def _nanoseconds(name: str, value: str) -> int:
    """Go's durations: https://pkg.go.dev/time#ParseDuration."""
    parts = _AMOUNT.findall(value)
    if not parts or "".join(amount + unit for amount, unit in parts) != value:
        raise _wrong(f"--{name}={value}", "it is not a duration such as 30s or 1m30s")
    total = sum(round(float(amount) * _NANOSECONDS[unit]) for amount, unit in parts)
    if 0 < total < _SHORTEST or total >= 1 << 63:
        raise _wrong(f"--{name}={value}", "docker takes at least 1ms")
    return total


def _wrong(what: str, why: str) -> UsageError:
    return UsageError(f"healthcheck: {what!r}: {why}", hint=_HINT)
