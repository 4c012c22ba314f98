"""argv and the environment → Settings: flag over FLAKESHIP_* over INPUT_* over default; secrets never from argv."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import Placed, parse_lines, parse_list
from flakeship.outside.reading import read_file
from flakeship.settings.command_line import (
    FALSE,
    POSITIONAL,
    REPLACED,
    TAKES_WORDS,
    TRUE,
    check_command,
    parser_of,
    takes,
    unknown,
    with_values,
)
from flakeship.settings.declaration import Settings, inputs
from flakeship.settings.fields import Input
from flakeship.settings.sizes import parse_size
from flakeship.settings.variables import check_passed, nearest, of_other_commands, variables_of
from flakeship.settings.words import check_filled, is_stdin, place, without_help

_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")
"""What Python makes of such bytes."""

_SECRET_LIMIT: Final = 1 << 20
"""Bytes. What is longer is no secret, but /dev/zero or a wrong file."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """`warnings` and `notices` are for the user; they can't be told before the log's form is known."""

    command: str
    settings: Settings
    warnings: tuple[str, ...]
    notices: tuple[str, ...] = ()


def read(argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO | None) -> Invocation:
    """UsageError for what is unknown or malformed. `--help` and `--version` raise SystemExit, as argparse does."""
    if not argv:
        from flakeship.settings.first_help import GREETING

        print(GREETING, end="")  # noqa: T201
        raise SystemExit(0)
    argv = without_help(argv)
    check_command(argv[0])
    declared = {item.name: item for item in inputs()}
    known, rest = parser_of(declared.values(), argv).parse_known_args(with_values(argv, declared))
    words = vars(known).pop("words", ())
    replaced = vars(known).pop(REPLACED, [])
    given = {name: _dashes(value) for name, value in vars(known).items()}
    command = given["command"]
    words = [*words, *(rest if command in TAKES_WORDS else ())]
    odd = next((word for word in [*words, *rest] if word.startswith("-") and word != "-"), None)
    if odd or (rest and command not in TAKES_WORDS):
        raise unknown((odd or rest[0]).partition("=")[0], command, declared.values())
    check_filled(words, given, declared.values())
    notices = (*place(words, given), *replaced)
    # a workflow gives the command alone; beside flags, INPUT_* are mostly those of an action that runs us
    of_a_step = len(argv) < 2
    variables, warnings = variables_of(environ, declared, of_a_step=of_a_step)
    taken = [item for item in declared.values() if takes(command, item)]
    warnings += of_other_commands(environ, taken, declared, of_a_step=of_a_step)
    _check_stdin(given, variables)
    values: dict[str, Any] = {}
    for item in declared.values():
        text = _text(item, given, variables, stdin)
        if text is not None:
            values[item.attribute] = _value(item, text, command)
    check_passed(values.get("pass_env", ()), declared.values())
    return Invocation(command, Settings(**values), tuple(warnings), notices)


def _check_stdin(given: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    """UsageError where an image can't come through stdin, which is read once, and where nobody pipes anything to it."""
    if "source" not in given and "image" not in given:
        return
    name = "source" if "source" in given else "image"
    text = given[name] or variables.get(name, "")
    if not is_stdin(text):
        return
    if not given[name]:
        raise UsageError(
            f"{name} is {text!r} by a variable or an input of CI, where no image is piped to this program",
            hint=f"name a file, or what Nix builds; in a command line write `… | flakeship {given['command']} -`",
        )
    if stdin := next((flag for flag in given if flag.endswith("_stdin") and given[flag]), ""):
        raise UsageError(
            f"--{stdin.replace('_', '-')} and {name} {text!r} would both read stdin",
            hint="give the secret by a file or a variable",
        )


def named(name: str, argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return what was written for one input, whatever is wrong with the others; empty where nothing was."""
    flag = f"--{name}"
    for word, after in itertools.zip_longest(argv, argv[1:], fillvalue=""):
        if word == flag:
            return after
        if word.startswith(f"{flag}="):
            return word.removeprefix(f"{flag}=")
    variables = (f"FLAKESHIP_{name.upper().replace('-', '_')}", f"INPUT_{name.upper()}")
    return next((environ[variable] for variable in variables if environ.get(variable)), "")


def _dashes(value: Any) -> Any:
    """Two dashes that argparse took out of `--to=--`, where Python before 3.13 leaves an empty list."""
    if isinstance(value, list):
        return [_dashes(part) for part in value] if value else "--"
    return value


def _text(
    item: Input, given: Mapping[str, Any], variables: Mapping[str, str], stdin: TextIO | None
) -> str | list[str] | None:
    """What was written for an input, from the first place that says something."""
    if not item.secret:
        flag = given.get(item.attribute)
        return variables.get(item.name) if flag is None else flag
    if given.get(f"{item.attribute}_stdin"):
        return _secret_line(item, stdin)
    if name := given.get(f"{item.attribute}_file"):
        return _secret_file(item, name, f"--{item.name}-file")
    if (name := variables.get(f"{item.name}-file")) is not None:
        return _secret_file(item, name, f"{item.variable}_FILE")
    return _no_file_of_gitlab(item, variables.get(item.name))


def _no_file_of_gitlab(item: Input, secret: str | None) -> str | None:
    """Return the secret. UsageError where it is the file that GitLab makes of a variable of type File, which is called as the variable.

    https://docs.gitlab.com/ci/variables/#use-file-type-cicd-variables
    """
    if secret and secret.endswith(f"/{item.variable}") and os.path.isfile(secret):  # noqa: PTH113 - Path raises for what is no path
        raise UsageError(
            f"{item.variable} is the name of a file, and not the {item.name}: on GitLab it is a variable of type File",
            hint=f"name that variable {item.variable}_FILE, or give it the type Variable",
        )
    return secret


def _secret_line(item: Input, stdin: TextIO | None) -> str:
    """Python has no stdin where the process was started without one."""
    try:
        if stdin and stdin.isatty():
            from getpass import getpass

            line = getpass(f"{item.name}: ")
        else:
            line = stdin.readline(_SECRET_LIMIT).rstrip("\r\n") if stdin else ""
        if len(line) == _SECRET_LIMIT:
            raise UsageError(
                f"can't read {item.name} from stdin: it has more than {_SECRET_LIMIT} bytes, so it is not a secret",
                hint=f"pipe in nothing else, or set {item.variable}",
            )
    except (OSError, UnicodeDecodeError):
        line = ""
    if not line:
        raise UsageError(
            f"--{item.name}-stdin is given, but the first line of stdin is empty or can't be read",
            hint=f"pipe the {item.name} in, or set {item.variable}",
        )
    return line


# docs/decisions.md#the-name-of-a-secret-file-is-hidden
def _secret_file(item: Input, name: str, written: str) -> str:
    """Read the file that `written`, a flag or a variable, names."""
    try:
        data = read_file(Path(name), _SECRET_LIMIT)
        return data.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise _unreadable(item, written, "it is not text") from error
    except OSError as error:
        if os.path.exists(name):  # noqa: PTH110 - Path raises for what is no path
            raise _unreadable(item, written, error.strerror or str(error)) from error
        raise _no_file(item, written) from None
    except ValueError as error:
        if "\0" in name:
            raise _no_file(item, written) from None
        raise _unreadable(item, written, f"{error}, so it is not a secret") from error


def _no_file(item: Input, written: str) -> UsageError:
    where = f"{item.variable} or --{item.name}-stdin" if written.startswith("--") else item.variable
    on_gitlab = "" if written.startswith("--") else " (on GitLab: a variable of type File)"
    return UsageError(
        f"{written} names no file that exists; its value is not shown, for it may be the {item.name} itself",
        hint=f"give the name of a file there{on_gitlab}, or give the {item.name} itself by {where}",
    )


def _unreadable(item: Input, where: str, why: str) -> UsageError:
    return UsageError(
        f"can't read {item.name} from the file that {where} names: {why}",
        hint=f"name a file that holds nothing else by {where}, or set {item.variable}",
    )


def _value(item: Input, text: str | list[str], command: str) -> Any:
    if _UNDECODED.search("".join(text)):
        raise UsageError(f"{item.name} holds bytes that are not UTF-8", hint="write it in UTF-8")
    if isinstance(text, list):  # a flag given several times: its lines are counted on
        firsts = itertools.accumulate((part.count("\n") + 1 for part in text), initial=1)
        return tuple(
            value
            for part, first in zip(text, firsts, strict=False)
            for value in _listed(item, part, command, first)
        )
    match item.kind:
        case "lines" | "list":
            return _listed(item, text, command)
        case "flag":
            return _boolean(item, text)
        case "number":
            return _number(item, text)
        case "size":
            return parse_size(item.name, text)
        case "choice":
            return _choice(item, text)
        case "text" | "path":
            return _secret(item, text.rstrip("\r\n")) if item.secret else text.strip()
        case "verbatim":
            return text


def _secret(item: Input, text: str) -> str:
    """A token is sent as it is in an HTTP header; a password may be any text."""
    if item.name.endswith("-token") and not (text.isascii() and text.isprintable()):
        raise UsageError(
            f"{item.name} holds a line break or a character outside ASCII, so it is not a token",
            hint="copy the token anew, without the characters around it",
        )
    return text


def _listed(item: Input, text: str, command: str, first: int = 1) -> tuple[str, ...] | tuple[Placed, ...]:
    try:
        values = (
            parse_lines(text, comment="#", first=first)
            if command in item.text_in
            else parse_list(text, comma=item.kind == "list", comment="#", first=first)
        )
    except UsageError as error:
        raise UsageError(f"{item.name}, {error.message}", hint=error.hint) from error
    return values if item.placed else tuple(value.text for value in values)


def _boolean(item: Input, text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE | FALSE:
        raise UsageError(
            f"{item.name} is {text!r}, which is neither true nor false", hint="write true or false"
        )
    return word in TRUE


def _number(item: Input, text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit()) or len(text.strip()) > 6:
        raise UsageError(
            f"{item.name} is {text!r}, which is not a number", hint="write a whole number, without a sign"
        )
    return int(text)


def _choice(item: Input, text: str) -> str:
    word = text.strip().lower()
    if word not in item.choices:
        command = next((command for command, names in POSITIONAL.items() if item.name in names), "")
        raise UsageError(
            f"`{command}` knows no {text!r}{nearest(word, item.choices)}"
            if command
            else f"{item.name} is {text!r}{nearest(word, item.choices)}",
            hint=f"write one of {', '.join(item.choices)}",
        )
    return word
