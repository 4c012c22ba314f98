"""argv and the environment → Settings: flag over FLAKESHIP_* over INPUT_* over default; secrets never from argv."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

from flakeship import __doc__ as summary
from flakeship import __version__
from flakeship.errors import UsageError
from flakeship.metadata.syntax.lists import Placed, parse_lines, parse_list
from flakeship.outside.reading import read_file
from flakeship.settings.declaration import Settings, inputs
from flakeship.settings.fields import Heading, Input

COMMANDS: Final = {
    "publish": "Build a flake attribute, stamp the image and send it where it goes",
    "inspect": "Show an image: config, labels, and what each layer holds",
    "layers": "List the packed layers that are kept for later runs, or remove them",
    "metadata": "Print tags, labels and annotations, as docker/metadata-action gives them",
}
_POSITIONAL: Final = {"inspect": "image"}
"""The input that a command takes without a flag."""

_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")
"""What Python makes of such bytes."""

_SECRET_LIMIT: Final = 1024 * 1024
"""Bytes of a file that holds a secret."""

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True, slots=True)
class Invocation:
    """`warnings` are for the user; they can't be told before the log's form is known."""

    command: str
    settings: Settings
    warnings: tuple[str, ...]


def read(argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO | None) -> Invocation:
    """UsageError for what is unknown or malformed. `--help` and `--version` raise SystemExit, as argparse does."""
    declared = {item.name: item for item in inputs()}
    known, rest = _parser(declared.values()).parse_known_args(argv)
    given = {name: _dashes(value) for name, value in vars(known).items()}
    command = given.pop("command")
    if rest:
        raise _unknown(rest[0].partition("=")[0], command, declared.values())
    variables, warnings = _variables(environ, declared)
    values: dict[str, Any] = {}
    for item in declared.values():
        text = _text(item, given, variables, stdin)
        if text is not None:
            values[item.attribute] = _value(item, text, command)
    return Invocation(command, Settings(**values), tuple(warnings))


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
    if (name := given.get(f"{item.attribute}_file") or variables.get(f"{item.name}-file")) is not None:
        return _secret_file(item, name)
    return variables.get(item.name)


def _secret_line(item: Input, stdin: TextIO | None) -> str:
    """Python has no stdin where the process was started without one."""
    try:
        line = stdin.readline().rstrip("\r\n") if stdin else ""
    except (OSError, UnicodeDecodeError):
        line = ""
    if not line:
        raise UsageError(
            f"--{item.name}-stdin is given, but the first line of stdin holds nothing that can be read",
            hint=f"pipe it in, or set {item.variable}",
        )
    return line


def _secret_file(item: Input, name: str) -> str:
    try:
        return read_file(Path(name), _SECRET_LIMIT).decode()
    except (OSError, ValueError) as error:
        why = "it is not text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UsageError(
            f"cannot read {item.name} from {name}: {getattr(error, 'strerror', None) or why}",
            hint=f"give --{item.name}-file a file that holds it, or set {item.variable}",
        ) from error


def _value(item: Input, text: str | list[str], command: str) -> Any:
    if _UNDECODED.search("".join(text)):
        raise UsageError(f"{item.name} holds bytes that are no UTF-8", hint="write it in UTF-8")
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
        case "choice":
            return _choice(item, text)
        case "text" | "path":
            return text.rstrip("\r\n") if item.secret else text.strip()
        case "verbatim":
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
    if word not in _TRUE | _FALSE:
        raise UsageError(f"{item.name} is {text!r}", hint="write true or false")
    return word in _TRUE


def _number(item: Input, text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdigit()) or len(text.strip()) > 6:
        raise UsageError(
            f"{item.name} is {text!r}, which is not a number", hint="write a whole number, without a sign"
        )
    return int(text)


def _choice(item: Input, text: str) -> str:
    word = text.strip().lower()
    if word not in item.choices:
        raise UsageError(
            f"{item.name} is {text!r}{_nearest(word, item.choices)}",
            hint=f"write one of {', '.join(item.choices)}",
        )
    return word


def _variables(environ: Mapping[str, str], declared: Mapping[str, Input]) -> tuple[dict[str, str], list[str]]:
    """Values by input name; an empty one is unset, which is how GitLab and GitHub hand over what nobody wrote.

    GitHub turns an input's name to upper case and leaves its hyphens.
    """
    files = {item.name: f"{item.name}-file" for item in declared.values() if item.secret}
    twins = files | {file: name for name, file in files.items()}
    known = set(declared) | set(twins)
    values: dict[str, str] = {}
    warnings: list[str] = []
    # docs/decisions.md#the-place-of-a-secret-decides
    for prefix in ("INPUT_", "FLAKESHIP_"):
        found: dict[str, str] = {}
        for variable, text in environ.items():
            name = variable.removeprefix(prefix).lower().replace("_", "-")
            if not variable.startswith(prefix) or not text:
                continue
            if name in known:
                found[name] = text
            elif prefix == "INPUT_":
                warnings.append(f"there is no input {name!r}{_nearest(name, known)}")
            else:
                raise UsageError(
                    f"{variable} is set, but there is no input {name!r}{_nearest(name, known)}",
                    hint="correct its name or unset it; `flakeship publish --help` lists all inputs",
                )
        replaced = {twins[name] for name in found if name in twins}
        values = {name: text for name, text in values.items() if name not in replaced} | found
    return values, warnings


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake becomes a UsageError."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"`{self.prog} --help` lists what it takes")


def _unknown(word: str, command: str, declared: Iterable[Input]) -> UsageError:
    if command == "publish" and not word.startswith("-"):
        return UsageError(
            f"there is nothing to do with {word}",
            hint=f"write `--flake {word}` to build that, `--source {word}` for what is built already, "
            f"or `--tags {word}` to push there",
        )
    flags = [f"--{item.name}" for item in declared if command in item.commands and not item.secret]
    files = [f"--{item.name}-file" for item in declared if command in item.commands and item.secret]
    what = "no option" if word.startswith("-") else "nothing to do with"
    return UsageError(
        f"there is {what} {word}{_nearest(word, [*flags, *files])}",
        hint=f"`flakeship {command} --help` lists all",
    )


def _parser(declared: Iterable[Input]) -> argparse.ArgumentParser:
    parser = _Parser(prog="flakeship", description=summary, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"flakeship {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command, text in COMMANDS.items():
        sub = commands.add_parser(command, help=text, description=text, allow_abbrev=False)
        groups = {heading: sub.add_argument_group(heading) for heading in Heading}
        for item in declared:
            if item.name == _POSITIONAL.get(command):
                sub.add_argument(item.attribute, metavar=item.name.upper(), nargs="?", help=item.help)
            elif command in item.commands:
                _add_flags(groups[item.heading].add_argument, item)
    return parser


def _add_flags(add: Callable[..., Any], item: Input) -> None:
    text = item.help.replace("%", "%%") + (f" (default: {item.default})" if item.default else "")
    flag = f"--{item.name}"
    match item:
        case Input(secret=True):
            add(f"{flag}-file", metavar="FILE", help=f"{text}; from a file, or from {item.variable}")
            if item.name == "password":
                add(f"{flag}-stdin", action="store_true", help=f"{text}; the first line of stdin")
        case Input(kind="flag") if "publish" not in item.commands:
            add(
                flag, action="store_const", const="true", help=text
            )  # a value would swallow what is inspected
        case Input(kind="flag"):
            add(flag, nargs="?", const="true", metavar="true|false", help=text)
        case Input(kind="choice"):
            const = "true" if "true" in item.choices else None
            shape = {"nargs": "?", "const": const} if const else {}
            add(flag, metavar="|".join(item.choices), help=text, **shape)
        case Input(kind="lines" | "list"):
            add(flag, action="append", metavar="VALUE", help=f"{text}; may be given several times")
        case _:
            add(flag, metavar={"path": "PATH", "number": "N"}.get(item.kind, "VALUE"), help=text)
