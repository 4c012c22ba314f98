"""The command line: which commands and options there are, how their help looks, and what needs no option."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

from flakeship import __doc__ as summary
from flakeship import __version__
from flakeship.errors import UsageError
from flakeship.settings.fields import Heading, Input
from flakeship.settings.variables import nearest

COMMANDS: Final = {
    "publish": "Build a flake attribute, stamp the image and send it where it goes",
    "merge": "Join the images of several platforms, each pushed by its digest, under one tag",
    "plan": "Tell which images and platforms are not published yet, as JSON or as CI jobs",
    "inspect": "Show an image: config, labels, and what each layer holds",
    "diff": "Compare two images: packages, layers, settings",
    "why": "Show why a package is in an image: what refers to it, from the image's roots on",
    "layers": "List the packed layers that are kept for later runs, or prune them to `layer-cache-size`",
    "cache": "List what the Nix cache in a registry or a folder holds, prune it, or verify all of it",
    "doctor": "Look at all that a publish with these inputs needs, and say what to do",
    "completion": "Print what completes command lines in a shell",
    "verify": "Compare an image in a registry with its digests, signatures and SBOM",
    "sbom": "Print an SBOM: the packages in an image, with licences and sources",
    "metadata": "Print tags, labels and annotations, as docker/metadata-action gives them",
}
# docs/decisions.md#a-word-is-no-flag
POSITIONAL: Final = {
    "inspect": ("image",),
    "diff": ("image", "newer"),
    "why": ("image", "package"),
    "sbom": ("image",),
    "verify": ("image",),
    "completion": ("shell",),
    "layers": ("layers-action",),
    "cache": ("nix-cache-action",),
}
"""The inputs that a command takes without a flag, in their order, and nothing else does."""

WITHOUT_FLAG: Final = frozenset(name for names in POSITIONAL.values() for name in names)
"""All of these inputs."""

TAKES_WORDS: Final = frozenset({"publish", "doctor", "merge", "plan"})
"""The commands that take words without a flag: what to build and references, or what to merge."""

SHORT: Final = {"tags": ("--tag", "-t")}
"""Other names of a flag, as docker has them."""

_WORDS: Final = "what to build, as `nix build` takes it (default: .), and the references to push it to"
_LEGS: Final = (
    "files that `push-by-digest` wrote, folders of them, or references; as many as there are platforms"
)
_USAGE: Final = {
    "publish": "flakeship publish [INSTALLABLE [REFERENCE ...]] [OPTION ...]",
    "doctor": "flakeship doctor [INSTALLABLE [REFERENCE ...]] [OPTION ...]",
    "plan": "flakeship plan [INSTALLABLE [REFERENCE ...]] [OPTION ...]",
    "merge": "flakeship merge LEG ... --platforms PLATFORM,PLATFORM [OPTION ...]",
    "inspect": "flakeship inspect IMAGE [OPTION ...]",
    "diff": "flakeship diff OLD NEW [OPTION ...]",
    "why": "flakeship why IMAGE PACKAGE [OPTION ...]",
    "sbom": "flakeship sbom PATH|INSTALLABLE|REFERENCE [OPTION ...]",
    "verify": "flakeship verify REFERENCE [OPTION ...]",
    "metadata": "flakeship metadata [OPTION ...]",
}
"""The commands with many options: their `--help` shows the usual ones, `--help-all` every one."""


REFERENCE: Final = re.compile(r"([\w-]+(\.[\w-]+)*)(:[0-9]+)?(/[\w.-]+)+(:[\w.-]+|@sha256:[0-9a-f]+)")
"""A reference that Nix reads as no installable: what has a colon behind a slash is no path and no URL to it."""

REPLACED: Final = "given twice"
"""Where a parsed command line keeps what is to be told of options whose earlier value was replaced; no input has a name with a blank."""

TRUE: Final = frozenset({"true", "1", "yes", "on"})
FALSE: Final = frozenset({"false", "0", "no", "off"})
"""The words for a flag that is set, and for one that is not."""


def takes(command: str, item: Input) -> bool:
    """Return True if a command takes an input. `doctor` and `plan` take those of `publish`, whose runs they look ahead at."""
    return command in item.commands or (command in {"doctor", "plan"} and "publish" in item.commands)


def with_values(argv: Sequence[str], declared: Mapping[str, Input]) -> list[str]:
    """Write `--push` as `--push=true` where no value follows: what follows may be what is published."""
    words = {
        f"--{item.name}": frozenset(item.choices) or TRUE | FALSE
        for item in declared.values()
        if item.kind == "flag" or (item.kind == "choice" and "true" in item.choices)
    }
    written: list[str] = []
    for word, after in itertools.zip_longest(argv, argv[1:]):
        alone = word in words and (after is None or after.lower() not in words[word])
        written.append(f"{word}=true" if alone else word)
    return written


_ALONE: Final = frozenset({"--help", "-h", "--version", "-V"})
"""What may stand in the place of a command."""


def check_command(word: str) -> None:
    """UsageError for a word that is no command; what begins with a dash may be `--help`."""
    if word in COMMANDS or word in _ALONE:
        return
    if word.startswith("-"):
        raise UsageError(
            f"there is no option {word} before a command",
            hint="run `flakeship publish --help-all` for all that can be set, `flakeship --help` for the commands"
            if word == "--help-all"
            else "run `flakeship --help` for the commands, behind which options stand, `flakeship --version` for the version",
        )
    from flakeship.settings.habits import command_by_habit

    if ours := command_by_habit(word):
        raise UsageError(f"there is no command {word!r}", hint=ours)
    if REFERENCE.fullmatch(word):
        hint = f"run `flakeship publish . {word}` to build the flake here and push it there"
    elif set(word) & set("#./:"):
        hint = f"run `flakeship publish {word}` to build it, with references behind it to push it to"
    else:
        hint = "run `flakeship --help` to list the commands"
    raise UsageError(f"there is no command {word!r}{nearest(word, COMMANDS)}", hint=hint)


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake becomes a UsageError."""

    def error(self, message: str) -> NoReturn:
        if message.endswith("expected one argument"):
            flag = message.removeprefix("argument ").partition(":")[0].partition("/")[0]
            raise UsageError(f"{flag} needs a value", hint=self._values_of(flag))
        raise UsageError(message, hint=f"run `{self.prog} --help`, which lists what it takes")

    def _values_of(self, flag: str) -> str:
        """Say what is written behind an option; argparse takes a value with a dash in front for another option."""
        action = self._option_string_actions[flag]
        value = str(action.metavar)
        written = f"`{flag} {value}`" if "|" not in value else f"one of {value.replace('|', ', ')}"
        return f"write {written}; a value that begins with a dash stands behind `=`: `{flag}=-…`"


class _Help(argparse.Action):
    """Print the help that fits a screen."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from flakeship.settings.first_help import first_help

        command = parser.prog.split()[-1]
        print(first_help(command, _USAGE[command], COMMANDS[command]), end="")  # noqa: T201
        raise SystemExit(0)


class _Once(argparse.Action):
    """Keep the last value, as every command line does, and note an earlier one that it replaces."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        value: Any,
        flag: str | None = None,
    ) -> None:
        """Called by argparse for each time that the option stands there."""
        earlier = getattr(namespace, self.dest)
        if earlier is not None and earlier != value:
            said = "" if flag and flag.endswith("-file") else f": {value!r} counts, {earlier!r} does not"
            setattr(
                namespace,
                REPLACED,
                [
                    *getattr(namespace, REPLACED, ()),
                    f"{flag} is given twice{said or ', and the last one counts'}",
                ],
            )
        setattr(namespace, self.dest, value)


def unknown(word: str, command: str, declared: Iterable[Input]) -> UsageError:
    """Return the error for a word that means nothing: with our words where it is an option of another tool, else the nearest."""
    if command in {"publish", "inspect", "doctor"}:
        from flakeship.settings.habits import of_other_tools

        if ours := of_other_tools(word, command=command):
            return UsageError(f"{word} is an option of {ours.tool}", hint=ours.hint)
    known = [item for item in declared if takes(command, item)]
    flags = [f"--{item.name}" for item in known if not item.secret and item.name not in WITHOUT_FLAG]
    files = [f"--{item.name}-file" for item in known if item.secret]
    words = [choice for item in known if item.name in POSITIONAL.get(command, ()) for choice in item.choices]
    what = "no option" if word.startswith("-") else "nothing to do with"
    all_ = "--help-all" if command in _USAGE else "--help"
    return UsageError(
        f"there is {what} {word}{nearest(word, [*flags, *files, *words])}",
        hint=f"run `flakeship {command} {all_}`, which lists all of them",
    )


def parser_of(declared: Iterable[Input], argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of all commands, with the options of the one that `argv` begins with: each takes its time."""
    whole = _Parser(prog="flakeship", description=summary, allow_abbrev=False)
    whole.add_argument("--version", "-V", action="version", version=f"flakeship {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command, text in COMMANDS.items():
        sub = commands.add_parser(
            command,
            help=text,
            description=text,
            allow_abbrev=False,
            usage=_USAGE.get(command),
            add_help=command not in _USAGE,
        )
        if command != argv[0]:
            continue
        if command in TAKES_WORDS:
            word, meant = ("LEG", _LEGS) if command == "merge" else ("INSTALLABLE", _WORDS)
            sub.add_argument("words", nargs="*", metavar=word, help=meant)
        if command in _USAGE:
            sub.add_argument("-h", "--help", action=_Help, nargs=0, help="show the usual inputs and exit")
            sub.add_argument("--help-all", action="help", help="show every input and exit")
        groups = {heading: sub.add_argument_group(heading) for heading in Heading}
        for item in _in_words_of(command, declared):
            if item.name in POSITIONAL.get(command, ()):
                word = "|".join(item.choices) or item.name.upper()
                sub.add_argument(item.attribute, metavar=word, nargs="?", help=item.help)
            elif takes(command, item):
                _add_flags(groups[item.heading].add_argument, item)
    return whole


def _in_words_of(command: str, declared: Iterable[Input]) -> Iterable[Input]:
    """The inputs as the command means them."""
    if command != "merge":
        return declared
    from flakeship.settings.meant_by_merge import MEANT_BY_MERGE

    return [replace(item, help=MEANT_BY_MERGE.get(item.name, item.help)) for item in declared]


def _add_flags(add: Callable[..., Any], item: Input) -> None:
    text = item.help.replace("%", "%%") + (f" (default: {item.default})" if item.default else "")
    flags = (f"--{item.name}", *SHORT.get(item.name, ()))
    match item:
        case Input(secret=True):
            add(
                f"--{item.name}-file",
                action=_Once,
                metavar="FILE",
                help=f"{text}; from a file, or from {item.variable}",
            )
            if item.name == "password":
                add(f"--{item.name}-stdin", action="store_true", help=f"{text}; the first line of stdin")
        case Input(kind="flag"):
            add(*flags, action=_Once, metavar="true|false", help=text)
        case Input(kind="choice"):
            add(*flags, action=_Once, metavar="|".join(item.choices), help=text)
        case Input(kind="lines" | "list"):
            add(*flags, action="append", metavar="VALUE", help=f"{text}; may be given several times")
        case _:
            value = {"path": "PATH", "number": "N", "size": "SIZE"}.get(item.kind, "VALUE")
            add(*flags, action=_Once, metavar=value, help=text)
