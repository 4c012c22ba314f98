"""The user and the password for a host, from the lines of netrc files: what Nix itself would send there.

https://everything.curl.dev/usingcurl/netrc.html
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_DEFAULT: Final = "default"
_OF_HOST: Final = frozenset({"login", "password", "account"})


@dataclass(frozen=True, slots=True)
class HostCredentials:
    """Values of the header Authorization, by host; `default` is for all others."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    default: str = field(default="", repr=False)

    @classmethod
    def of(cls, files: Iterable[str]) -> HostCredentials:
        """Read the texts of netrc files. The first line for a host counts, as for curl."""
        headers: dict[str, str] = {}
        for text in files:
            for host, values in _machines(text):
                pair = f"{values.get('login', '')}:{values.get('password', '')}"
                if host:
                    headers.setdefault(host, f"Basic {base64.b64encode(pair.encode()).decode()}")
        default = headers.pop(_DEFAULT, "")
        return cls(headers, default)

    def for_host(self, host: str) -> str:
        """Return the header for a host; empty if it gets none."""
        return self.headers.get(host, self.default)


def _machines(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return each `machine` with its values, and `default` with those for all others."""
    try:
        words = iter(shlex.split(text, comments=True))
    except ValueError:  # a quote that does not end
        words = iter(text.split())
    found: list[tuple[str, dict[str, str]]] = []
    for word in words:
        if word in ("machine", _DEFAULT):
            found.append((next(words, "") if word == "machine" else _DEFAULT, {}))
        elif word in _OF_HOST and found:
            found[-1][1][word] = next(words, "")
    return found


def text_of(path: Path) -> str | None:
    """Return the text of a netrc file, empty if it does not exist; None where this user may not read it."""
    if not path.is_file():
        return ""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
