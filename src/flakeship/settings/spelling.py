"""Names of inputs in messages, as the user wrote them: `tags` in a workflow, `--tags` on a command line, where `password` is FLAKESHIP_PASSWORD."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import Final

from flakeship.settings.command_line import SHORT, TAKES_WORDS, takes
from flakeship.settings.declaration import inputs
from flakeship.settings.fields import Input

_QUOTED: Final = re.compile(r"`(?P<name>[a-z][a-z-]*)(?:: (?P<value>[^`]+))?`")
_FIRST: Final = re.compile(r"(?P<name>[a-z][a-z-]*)(?=[:,] | is )")
_PUBLISH: Final = re.compile(r"(?<![\w`-])publish (?:it|the image)\b")
_PLACE: Final = re.compile(r"^tags, line (\d+)(?:, column 1(?!\d))?")
_PLAIN: Final = re.compile(r"[\w./:@#=,+^-]+")


def as_written(text: str, argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return a message or a hint with the inputs of its command as flags, if the run was started by hand.

    In backticks an input stands by itself or with a value, as a workflow has it: `push: false`; nothing else may stand
    alone in them that could be called like an input. The input that a message begins with is a flag only if it was given as one.
    An input that a variable gave is that variable. A secret has no flag for its value: it is the variable that it is read from, or the flag that it was given by. A text that
    tells the user to publish means the inputs of `publish`, whatever command it ends.
    """
    if not argv or (len(argv) < 2 and _by_environment(environ)):
        return text
    command = argv[0]
    commands = {command, "publish"} if _PUBLISH.search(text) else {command}
    meant = {item.name: item for item in inputs() if any(takes(each, item) for each in commands)}
    kinds = {name: item.kind for name, item in meant.items() if not item.secret}

    def flag(found: re.Match[str]) -> str:
        name, value = found["name"], (found["value"] or "").strip('"')  # the quotes are YAML's
        if name not in kinds:
            return _secret(meant[name], argv) if name in meant and not value else found[0]
        if not value and meant[name].variable in environ and not _flag_of(name, argv):
            return meant[name].variable
        if not value or (kinds[name] == "flag" and value == "true"):
            return f"`--{name}`"
        joint = "=" if kinds[name] == "flag" else " "
        return f"`--{name}{joint}{value if _PLAIN.fullmatch(value) else repr(value)}`"

    return _QUOTED.sub(flag, _begun(text, kinds, argv, environ))


def _begun(text: str, names: Container[str], argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """The text with the input that it begins with as it was given: by a flag, or for `tags` by the words behind an installable."""
    first = _FIRST.match(text)
    if not first or first["name"] not in names:
        return text
    name: str = first["name"]
    if flag := _flag_of(name, argv):
        return flag + text.removeprefix(name)
    if argv[0] in TAKES_WORDS - {"merge"} and "FLAKESHIP_TAGS" not in environ:
        return _PLACE.sub(r"REFERENCE \1", text)
    return text


def _flag_of(name: str, argv: Sequence[str]) -> str:
    """The flag that an input was given by; empty if it was given otherwise, or not at all."""
    flags: tuple[str, ...] = (f"--{name}", *SHORT.get(name, ()))
    for word in argv:
        for flag in flags:
            if word.partition("=")[0] == flag or (len(flag) == 2 and word.startswith(flag)):
                return flag
    return ""


def _secret(item: Input, argv: Sequence[str]) -> str:
    for flag in (f"--{item.name}-file", f"--{item.name}-stdin"):
        if any(word.partition("=")[0] == flag for word in argv):
            return f"`{flag}`"
    return item.variable


def _by_environment(environ: Mapping[str, str]) -> bool:
    """Whether this is a job of CI, or a run whose inputs are variables: both give the command alone."""
    return any(name == "CI" or name.startswith(("INPUT_", "FLAKESHIP_")) for name in environ)
