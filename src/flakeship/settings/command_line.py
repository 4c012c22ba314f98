"""The command line: which commands and options there are, how their help looks, and what needs no option."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    "layers": "List the packed layers that are kept for later runs, or prune them to `layer-cache-size`",
    "doctor": "Look at all that a publish with these inputs needs, and say what to do",
    "completion": "Print what completes command lines in a shell",
    "metadata": "Print tags, labels and annotations, as docker/metadata-action gives them",
}
# docs/decisions.md#a-word-is-no-flag
POSITIONAL: Final = {"inspect": "image", "completion": "shell", "layers": "layers-action"}
"""The input that a command takes without a flag, and nothing else does."""

TAKES_WORDS: Final = frozenset({"publish", "doctor", "merge", "plan"})
"""The commands that take words without a flag: what to build and references, or what to merge."""

_SHORT: Final = {"tags": ("--tag", "-t")}
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
}
SOURCES: Final = (
    "docker://",
    "docker-archive:",
    "oci-archive:",
    "oci:",
    "dir:",
    "docker-daemon:",
    "containers-storage:",
)
"""An image that exists already begins so: containers-transports(5)."""

STDINS: Final = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
"""A source that comes through stdin is written so, also behind a word of `SOURCES`."""

_REFERENCE: Final = re.compile(r"([\w-]+(\.[\w-]+)*)(:[0-9]+)?(/[\w.-]+)+(:[\w.-]+|@sha256:[0-9a-f]+)")
"""A reference that Nix reads as no installable: what has a colon behind a slash is no path and no URL to it."""

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


def place(words: Sequence[str], given: dict[str, Any]) -> None:
    """Take what is given without flags. For `merge` that is what to merge; for `publish` an installable, unless a flag says
    what to publish, then references.
    """
    if given["command"] == "merge":
        given["legs"] = [*(given.get("legs") or ()), *words] or None
        return
    named = any(given.get(name) for name in ("flake", "source", "file"))
    first = 0 if named else 1
    _check_words(words, first)
    if words and not named:
        is_source = words[0] in STDINS or words[0].startswith((*SOURCES, *_DESCRIPTORS))
        given.update({"source": words[0]} if is_source else {"flake": [words[0]]})
    if words[first:]:
        given["tags"] = [*(given.get("tags") or ()), *words[first:]]


_DESCRIPTORS: Final = ("/dev/fd/", "/proc/self/fd/")
"""What a shell writes for `<(…)` begins so."""


def check_command(word: str) -> None:
    """UsageError for a word that is no command; what begins with a dash may be `--help`."""
    if word.startswith("-") or word in COMMANDS:
        return
    usual = (
        f"flakeship publish {word}` to build and push it"
        if set(word) & set("#./:")
        else "flakeship --help` to list the commands"
    )
    raise UsageError(
        f"there is no command {word!r}{nearest(word, COMMANDS)}",
        hint=f"run `{usual}",
    )


def _check_words(words: Sequence[str], first: int) -> None:
    """UsageError for a reference in the place of what is built, and for what is built in the place of a reference."""
    if first and words and _REFERENCE.fullmatch(words[0]):
        raise UsageError(
            f"{words[0]!r} is a place to push to, and nothing before it says what",
            hint=f"write `flakeship publish . {words[0]}` to build the flake here, or docker://{words[0]} for an image that is there already",
        )
    for word in words[first:]:
        if word.startswith(SOURCES[1:]):
            raise UsageError(
                f"{word!r} is no reference to push to",
                hint=f"write `--to {word}` for a destination of another kind",
            )
        if "#" in word or word == "-" or word.startswith((".", "/")):
            raise UsageError(
                f"{word!r} says what to publish, and that is said already",
                hint="write references behind it, and each of several attributes as `--flake NAME=INSTALLABLE`",
            )


def is_stdin(source: str) -> bool:
    """Whether a `source` comes through stdin."""
    form = next((form for form in SOURCES if source.startswith(form)), "")
    return source.removeprefix(form).partition(":")[0] in STDINS


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake becomes a UsageError."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"run `{self.prog} --help`, which lists what it takes")


class _Help(argparse.Action):
    """Print the help that fits a screen."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from flakeship.settings.first_help import first_help

        command = parser.prog.split()[-1]
        print(first_help(command, _USAGE[command], COMMANDS[command]), end="")  # noqa: T201
        raise SystemExit(0)


def unknown(word: str, command: str, declared: Iterable[Input]) -> UsageError:
    """Return the error for a word that means nothing: with our words where it is an option of another tool, else the nearest."""
    if command in {"publish", "inspect"}:
        from flakeship.settings.habits import of_other_tools

        if ours := of_other_tools(word, command=command):
            return UsageError(f"{word} is an option of {ours.tool}", hint=ours.hint)
    known = [item for item in declared if takes(command, item)]
    flags = [f"--{item.name}" for item in known if not item.secret and item.name not in POSITIONAL.values()]
    files = [f"--{item.name}-file" for item in known if item.secret]
    words = [choice for item in known if item.name == POSITIONAL.get(command) for choice in item.choices]
    what = "no option" if word.startswith("-") else "nothing to do with"
    all_ = "--help-all" if command in TAKES_WORDS else "--help"
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
            add_help=command not in TAKES_WORDS,
        )
        if command != argv[0]:
            continue
        if command in TAKES_WORDS:
            word, meant = ("LEG", _LEGS) if command == "merge" else ("INSTALLABLE", _WORDS)
            sub.add_argument("words", nargs="*", metavar=word, help=meant)
            sub.add_argument("-h", "--help", action=_Help, nargs=0, help="show the usual inputs and exit")
            sub.add_argument("--help-all", action="help", help="show every input and exit")
        groups = {heading: sub.add_argument_group(heading) for heading in Heading}
        for item in declared:
            if item.name == POSITIONAL.get(command):
                word = "|".join(item.choices) or item.name.upper()
                sub.add_argument(item.attribute, metavar=word, nargs="?", help=item.help)
            elif takes(command, item):
                _add_flags(groups[item.heading].add_argument, item)
    return whole


def _add_flags(add: Callable[..., Any], item: Input) -> None:
    text = item.help.replace("%", "%%") + (f" (default: {item.default})" if item.default else "")
    flags = (f"--{item.name}", *_SHORT.get(item.name, ()))
    match item:
        case Input(secret=True):
            add(f"--{item.name}-file", metavar="FILE", help=f"{text}; from a file, or from {item.variable}")
            if item.name == "password":
                add(f"--{item.name}-stdin", action="store_true", help=f"{text}; the first line of stdin")
        case Input(kind="flag"):
            add(*flags, metavar="true|false", help=text)
        case Input(kind="choice"):
            add(*flags, metavar="|".join(item.choices), help=text)
        case Input(kind="lines" | "list"):
            add(*flags, action="append", metavar="VALUE", help=f"{text}; may be given several times")
        case _:
            value = {"path": "PATH", "number": "N", "size": "SIZE"}.get(item.kind, "VALUE")
            add(*flags, metavar=value, help=text)
