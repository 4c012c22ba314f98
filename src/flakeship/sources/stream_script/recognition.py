"""Whether a script is nixpkgs' streamLayeredImage: told by its text, and by that of the store script which it execs.

nixpkgs' wrapper is one line, `exec SCRIPT CONF "$@"`: SCRIPT is stream_layered_image.py, CONF says what the image holds.
https://github.com/NixOS/nixpkgs/blob/master/pkgs/build-support/docker/default.nix
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship.image.document import decode_object

_WRAPPER_LIMIT: Final = 4096
_SCRIPT_LIMIT: Final = 1 << 20
_CONF_LIMIT: Final = 64 << 20
_DEEPEST: Final = 4
_SHEBANG: Final = b"#!"
_WORDS: Final = ("customisation_layer", "store_layers")
"""Words of conf.json, which every release of the script reads."""


@dataclass(frozen=True, slots=True)
class StreamScript:
    """The files that are executed, the wrapper first and the script last, and the conf.json."""

    files: tuple[Path, ...]
    conf: Path


def recognised(path: Path, here: Callable[[str], Path] = Path) -> StreamScript | None:
    """What `path` executes, if that is nixpkgs' script; None for any other.

    `here` tells where the files that it names can be opened; the files of what is returned are those.
    """
    files: list[Path] = []
    for _ in range(_DEEPEST):
        files.append(path)
        match _executed(path):
            case [str(script), str(conf), *_] if conf.endswith("conf.json"):
                found = here(script), here(conf)
                return StreamScript((*files, found[0]), found[1]) if _is_nixpkgs(*found, script) else None
            case [str(script), *_] if is_script(here(script)):
                path = here(script)
            case _:
                return None
    return None


def is_script(path: Path) -> bool:
    """Whether it begins with `#!` and may be executed."""
    try:
        with path.open("rb") as file:
            return file.read(2) == _SHEBANG and os.access(path, os.X_OK)
    except OSError:
        return False


def interpreter_of(path: Path) -> str:
    """What stands behind `#!`; empty where nothing does."""
    try:
        with path.open("rb") as file:
            line = file.readline(_WRAPPER_LIMIT)
    except OSError:
        return ""
    words = line.removeprefix(_SHEBANG).split() if line.startswith(_SHEBANG) else []
    return os.fsdecode(words[0]) if words else ""


def _executed(path: Path) -> list[str]:
    """The program and arguments of the `exec` that ends a shell script; none where a shell would do more with them."""
    try:
        with path.open("rb") as file:
            text = file.read(_WRAPPER_LIMIT + 1)
    except OSError:
        return []
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
    told = [line for line in lines if line and not line.startswith("#")]
    if len(text) > _WRAPPER_LIMIT or not text.startswith(_SHEBANG) or not told:
        return []
    try:
        words = shlex.split(told[-1])
    except ValueError:
        return []
    match words:
        case ["exec", "-a", "$0", *rest] | ["exec", *rest] if rest and all(map(_is_plain, rest)):
            return rest if rest[0].startswith("/") else []
    return []


def _is_plain(word: str) -> bool:
    """A word that is handed on as it is: no pipe, no redirection, no further command."""
    return word == "$@" or not re.search(r"[$`*?\[\]~;&|<>()\\\s]", word)


def _is_nixpkgs(script: Path, conf: Path, name: str) -> bool:
    try:
        with conf.open("rb") as file:
            said = decode_object(file.read(_CONF_LIMIT), limit=_CONF_LIMIT)
        with script.open("rb") as file:
            text = file.read(_SCRIPT_LIMIT)
    except (OSError, ValueError):
        return False
    known = text.startswith(_SHEBANG) and all(word.encode() in text for word in _WORDS)
    named = name.endswith("-stream") or "stream_layered_image" in name
    return said.keys() >= set(_WORDS) and (known or named) and os.access(script, os.X_OK)
