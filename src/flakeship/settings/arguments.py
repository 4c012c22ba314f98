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
from flakeship.settings.variables import check_passed, nearest, variables_of

COMMANDS: Final = {
    "publish": "Build a flake attribute, stamp the image and send it where it goes",
    "inspect": "Show an image: config, labels, and what each layer holds",
    "layers": "List the packed layers that are kept for later runs, or remove them",
    "doctor": "Look at all that a publish with these inputs needs, and say what to do",
    "completion": "Print what completes command lines in a shell",
    "metadata": "Print tags, labels and annotations, as docker/metadata-action gives them",
}
_POSITIONAL: Final = {"inspect": "image", "completion": "shell"}
"""The input that a command takes without a flag."""

_TAKES_WORDS: Final = frozenset({"publish", "doctor"})
"""The commands that take what to build, and references, without a flag."""

_FIRST: Final = frozenset(
    {
        "flake",
        "source",
        "tags",
        "labels",
        "to",
        "push",
        "platform",
        "username",
        "password",
        "dry-run",
        "reuse",
    }
)
"""What `publish --help` shows; `--help-all` shows the rest too."""

_SHORT: Final = {"tags": ("--tag", "-t")}
"""Other names of a flag, as docker has them."""

_WORDS: Final = "what to build, as `nix build` takes it (default: .), and the references to push it to"
_USAGE: Final = {
    "publish": "flakeship publish [INSTALLABLE [REFERENCE ...]] [OPTION ...]",
    "doctor": "flakeship doctor [INSTALLABLE [REFERENCE ...]] [OPTION ...]",
}
_TRANSPORTS: Final = ("docker://", "oci:", "oci-archive:", "docker-archive:", "docker-daemon:")
"""An image that exists already begins so: containers-transports(5)."""

_GREETING: Final = """\
flakeship {version}: {summary}

  flakeship publish .#image ghcr.io/me/app:1     build it, stamp it, push it
  flakeship publish .#image --to oci:image       into a folder, to look at

`flakeship publish --help` shows what most people need, `flakeship --help` the other commands.
"""
_EXAMPLES: Final = """\
examples:
  flakeship publish .#image ghcr.io/me/app:1 ghcr.io/me/app:latest
  flakeship publish --source result --to docker-daemon:app:1
  flakeship publish .#image ghcr.io/me/app:1 --labels org.opencontainers.image.vendor=Me --dry-run

--help-all shows every input. docs/inputs.md has them as a table.
"""

_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")
"""What Python makes of such bytes."""

_SECRET_LIMIT: Final = 1 << 20
"""Bytes. What is longer is no secret, but /dev/zero or a wrong file."""

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
    if not argv:
        print(_GREETING.format(version=__version__, summary=summary), end="")  # noqa: T201
        raise SystemExit(0)
    declared = {item.name: item for item in inputs()}
    known, rest = _parser(declared.values()).parse_known_args(_with_values(argv, declared))
    words = vars(known).pop("words", ())
    given = {name: _dashes(value) for name, value in vars(known).items()}
    command = given.pop("command")
    words = [*words, *(rest if command in _TAKES_WORDS else ())]
    unknown = next((word for word in [*words, *rest] if word.startswith("-") and word != "-"), None)
    if unknown or (rest and command not in _TAKES_WORDS):
        raise _unknown((unknown or rest[0]).partition("=")[0], command, declared.values())
    _place(words, given)
    variables, warnings = variables_of(environ, declared)
    values: dict[str, Any] = {}
    for item in declared.values():
        text = _text(item, given, variables, stdin)
        if text is not None:
            values[item.attribute] = _value(item, text, command)
    check_passed(values.get("pass_env", ()), declared.values())
    return Invocation(command, Settings(**values), tuple(warnings))


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


def takes(command: str, item: Input) -> bool:
    """Return True if a command takes an input. `doctor` takes those of `publish`, whose runs it looks ahead at."""
    return command in item.commands or (command == "doctor" and "publish" in item.commands)


def _with_values(argv: Sequence[str], declared: Mapping[str, Input]) -> list[str]:
    """Write `--push` as `--push=true` where no value follows: what follows may be what is published."""
    words = {
        f"--{item.name}": frozenset(item.choices) or _TRUE | _FALSE
        for item in declared.values()
        if item.kind == "flag" or (item.kind == "choice" and "true" in item.choices)
    }
    written: list[str] = []
    for word, after in itertools.zip_longest(argv, argv[1:]):
        alone = word in words and (after is None or after.lower() not in words[word])
        written.append(f"{word}=true" if alone else word)
    return written


def _place(words: Sequence[str], given: dict[str, Any]) -> None:
    """Take what `publish` is given without flags: an installable, unless a flag says what to publish, then references."""
    named = any(given.get(name) for name in ("flake", "source", "file"))
    first = 0 if named else 1
    if words and not named:
        is_source = words[0] == "-" or words[0].startswith(_TRANSPORTS)
        given.update({"source": words[0]} if is_source else {"flake": [words[0]]})
    if words[first:]:
        given["tags"] = [*(given.get("tags") or ()), *words[first:]]


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
        line = stdin.readline(_SECRET_LIMIT).rstrip("\r\n") if stdin else ""
        if len(line) == _SECRET_LIMIT:
            raise _too_long(item, "stdin")
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
        data = read_file(Path(name), _SECRET_LIMIT)
        return data.decode().replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, ValueError) as error:
        why = "it is not text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UsageError(
            f"cannot read {item.name} from {name}: {getattr(error, 'strerror', None) or why}",
            hint=f"give --{item.name}-file a file that holds it, or set {item.variable}",
        ) from error


def _too_long(item: Input, where: str) -> UsageError:
    return UsageError(
        f"cannot read {item.name} from {where}: there is more than {_SECRET_LIMIT} bytes, which no secret has",
        hint=f"give a file that holds it alone, or set {item.variable}",
    )


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
            return _secret(item, text.rstrip("\r\n")) if item.secret else text.strip()
        case "verbatim":
            return text


def _secret(item: Input, text: str) -> str:
    """A token is sent as it is in an HTTP header; a password may be any text."""
    if item.name.endswith("-token") and not (text.isascii() and text.isprintable()):
        raise UsageError(
            f"{item.name} holds a line break or a character outside ASCII, which no token has",
            hint="copy it anew, without what stands around it",
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
            f"{item.name} is {text!r}{nearest(word, item.choices)}",
            hint=f"write one of {', '.join(item.choices)}",
        )
    return word


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake becomes a UsageError."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"`{self.prog} --help` lists what it takes")


class _Short(argparse.RawDescriptionHelpFormatter):
    """A line for each option."""

    def __init__(self, prog: str, **shape: Any) -> None:
        super().__init__(prog, **{**shape, "max_help_position": 34, "width": 120})


class _HelpAll(argparse.Action):
    """Print the help of a command with every input."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        command = parser.prog.split()[-1]
        _parser(inputs(), all_of=command).parse_args([command, "--help"])
        raise AssertionError("--help ends the process")


def _unknown(word: str, command: str, declared: Iterable[Input]) -> UsageError:
    if command == "publish":
        from flakeship.settings.habits import of_other_tools

        if ours := of_other_tools(word):
            return UsageError(f"{word} is an option of {ours.tool}", hint=ours.hint)
    flags = [f"--{item.name}" for item in declared if takes(command, item) and not item.secret]
    files = [f"--{item.name}-file" for item in declared if takes(command, item) and item.secret]
    what = "no option" if word.startswith("-") else "nothing to do with"
    all_ = "--help-all" if command == "publish" else "--help"
    return UsageError(
        f"there is {what} {word}{nearest(word, [*flags, *files])}",
        hint=f"`flakeship {command} {all_}` lists all",
    )


def _parser(declared: Iterable[Input], *, all_of: str = "") -> argparse.ArgumentParser:
    """The parser of all commands. The help of `publish` shows `_FIRST`, and all where `all_of` says so."""
    parser = _Parser(prog="flakeship", description=summary, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"flakeship {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command, text in COMMANDS.items():
        shown = _FIRST if command in _TAKES_WORDS and command != all_of else None
        sub = commands.add_parser(
            command,
            help=text,
            description=text,
            allow_abbrev=False,
            usage=_USAGE.get(command),
            epilog=_EXAMPLES if shown and command == "publish" else None,
            formatter_class=_Short if shown else argparse.HelpFormatter,
        )
        if command in _TAKES_WORDS:
            sub.add_argument("words", nargs="*", metavar="INSTALLABLE", help=_WORDS)
            sub.add_argument("--help-all", action=_HelpAll, nargs=0, help="show every input and exit")
        groups = {heading: sub.add_argument_group(heading) for heading in Heading}
        for item in declared:
            if item.name == _POSITIONAL.get(command):
                sub.add_argument(item.attribute, metavar=item.name.upper(), nargs="?", help=item.help)
            elif takes(command, item):
                group = sub if shown else groups[item.heading]
                _add_flags(group.add_argument, item, short=shown)
    return parser


def _add_flags(add: Callable[..., Any], item: Input, *, short: frozenset[str] | None) -> None:
    text = item.help.replace("%", "%%") + (f" (default: {item.default})" if item.default else "")
    hidden = short is not None and item.name not in short
    flags = (f"--{item.name}", *_SHORT.get(item.name, ()))

    def add_as(*names: str, words: str = "", **shape: Any) -> None:
        said = text.partition(". ")[0].partition("; ")[0] if short else text
        add(*names, help=argparse.SUPPRESS if hidden else said + words, **shape)

    match item:
        case Input(secret=True):
            add_as(f"--{item.name}-file", metavar="FILE", words=f"; from a file, or from {item.variable}")
            if item.name == "password":
                add_as(f"--{item.name}-stdin", action="store_true", words="; the first line of stdin")
        case Input(kind="flag"):
            add_as(*flags, metavar="true|false")
        case Input(kind="choice"):
            add_as(*flags, metavar="|".join(item.choices))
        case Input(kind="lines" | "list"):
            add_as(
                *flags,
                action="append",
                metavar="VALUE",
                words="" if short else "; may be given several times",
            )
        case _:
            add_as(*flags, metavar={"path": "PATH", "number": "N"}.get(item.kind, "VALUE"))
