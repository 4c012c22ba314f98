"""Names of inputs in messages, as the user wrote them: `tags` in a workflow, `--tags` on a command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from flakeship.settings.declaration import inputs

_QUOTED: Final = re.compile(r"`(?P<name>[a-z][a-z-]*)(?:: (?P<value>[^`]+))?`")
_FIRST: Final = re.compile(r"(?P<name>[a-z][a-z-]*)(?=[:,] | is )")
_PLAIN: Final = re.compile(r"[\w./:@#=,+^-]+")


def as_written(text: str, argv: Sequence[str]) -> str:
    """Return a message or a hint with its inputs as flags, if the run was started with any words beyond the command.

    In backticks an input stands by itself or with a value, as a workflow has it: `push: false`. The input that a message
    begins with is a flag only if it was given as one.
    """
    if len(argv) < 2:  # a workflow gives the command alone, and its inputs by the environment
        return text
    kinds = {item.name: item.kind for item in inputs() if not item.secret}

    def flag(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"]
        if name not in kinds:
            return found[0]
        if not value or (kinds[name] == "flag" and value == "true"):
            return f"`--{name}`"
        joint = "=" if kinds[name] == "flag" else " "
        return f"`--{name}{joint}{value if _PLAIN.fullmatch(value) else repr(value)}`"

    first = _FIRST.match(text)
    given = first and any(word.partition("=")[0] == f"--{first['name']}" for word in argv)
    return ("--" if given and first and first["name"] in kinds else "") + _QUOTED.sub(flag, text)
