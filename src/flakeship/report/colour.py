"""Whether lines are coloured: on a terminal, unless the environment says otherwise.

https://no-color.org, https://force-color.org and https://bixense.com/clicolors/ name the variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TextIO

_RED: Final = "\x1b[1;31m"
_YELLOW: Final = "\x1b[33m"
_PLAIN: Final = "\x1b[0m"


def is_coloured(out: TextIO, environ: Mapping[str, str]) -> bool:
    """NO_COLOR wins over FORCE_COLOR and CLICOLOR_FORCE, which hold for pipes and CI too; CLICOLOR=0 for terminals."""
    if environ.get("NO_COLOR"):
        return False
    forced = environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE")
    if forced:
        return forced != "0"
    return environ.get("CLICOLOR") != "0" and not environ.get("CI") and is_terminal(out, environ)


def is_terminal(out: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether what is written there may move the cursor and change colours."""
    return out.isatty() and environ.get("TERM", "dumb") != "dumb"


def red_start(line: str) -> str:
    """The line with its first word in red, which tells of an error."""
    word, colon, rest = line.partition(":")
    return f"{_RED}{word}{colon}{_PLAIN}{rest}"


def yellow(text: str) -> str:
    """The text in yellow, as what stands out without being an error."""
    return f"{_YELLOW}{text}{_PLAIN}"
