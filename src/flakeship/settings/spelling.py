"""How a message spells inputs: as in `with:` of a workflow, or as options, where a command line was written."""

from __future__ import annotations

import re
import shlex
from typing import Final

from flakeship.settings.command_line import POSITIONAL
from flakeship.settings.declaration import inputs

_MARKED: Final = re.compile(r"`([a-z][a-z-]*)(?:: ([^`\n]+))?`")
_OTHER_MEANING: Final = frozenset({"contents", "created"})
"""Alone in backticks these are names in Nix, too."""

_SHELL: Final = re.compile(r"[\s$&;()<>|*?{}\\]")
_PLACE: Final = re.compile(
    r"^tags, line [0-9]+(, column [0-9]+)?: (?=.* (is not an image reference|is a tag without a name|is not a tag)\b)",
    re.DOTALL,
)


def as_options(text: str) -> str:
    """Spell the inputs of a message as options: `push: false` becomes `--push false`, `images` becomes `--images`."""
    return _MARKED.sub(_option, text)


def as_words(text: str) -> str:
    """Call a reference by what it is among the words of a command line, where the input `tags` has no lines."""
    return _PLACE.sub("REFERENCE: ", text)


def _option(hit: re.Match[str]) -> str:
    name, value = hit[1], hit[2]
    item = next((item for item in inputs() if item.name == name), None)
    if item is None or name in POSITIONAL.values() or (value is None and name in _OTHER_MEANING):
        return hit[0]
    flag = f"--{name}-file" if item.secret else f"--{name}"
    if value is None:
        return f"`{flag}`"
    return f"`{flag} {shlex.quote(value) if _SHELL.search(value) else value}`"
