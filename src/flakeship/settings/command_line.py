"""The command line: which commands and options there are, how their help looks, and what needs no option."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from flakeship import __doc__ as summary
from flakeship import __version__
from flakeship.errors import UsageError
from flakeship.settings.declaration import inputs
from flakeship.settings.fields import Heading, Input
from flakeship.settings.variables import nearest

COMMANDS: Final = {
    "publish": "Build a flake attribute, stamp the image and send it where it goes",
    "inspect": "Show an image: config, labels, and what each layer holds",
    "layers": "List the packed layers that are kept for later runs, or prune them to `layer-cache-size`",
    "doctor": "Look at all that a publish with these inputs needs, and say what to do",
    "completion": "Print what completes command lines in a shell",
    "metadata": "Print tags, labels and annotations, as docker/metadata-action gives them",
}
# docs/decisions.md#a-word-is-no-flag
POSITIONAL: Final = {"inspect": "image", "completion": "shell", "layers": "layers-action"}
"""The input that a command takes without a flag, and nothing else does."""

TAKES_WORDS: Final = frozenset({"publish", "doctor"})
"""The commands that take what to build, and references, without a flag."""

_FIRST: Final = frozenset(
    {
        "flake",
        "source",
        "tags",
        "labels",
        "to",
        "push",
        "platforms",
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

GREETING: Final = f"""\
flakeship {__version__}: {summary}

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

TRUE: Final = frozenset({"true", "1", "yes", "on"})
FALSE: Final = frozenset({"false", "0", "no", "off"})
"""The words for a flag that is set, and for one that is not."""


def takes(command: str, item: Input) -> bool:
    """Return True if a command takes an input. `doctor` takes those of `publish`, whose runs it looks ahead at."""
    return command in item.commands or (command == "doctor" and "publish" in item.commands)


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
    """Take what `publish` is given without flags: an installable, unless a flag says what to publish, then references."""
    named = any(given.get(name) for name in ("flake", "source", "file"))
    first = 0 if named else 1
    if words and not named:
        is_source = words[0] == "-" or words[0].startswith(_TRANSPORTS)
        given.update({"source": words[0]} if is_source else {"flake": [words[0]]})
    if words[first:]:
        given["tags"] = [*(given.get("tags") or ()), *words[first:]]


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake becomes a UsageError."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"run `{self.prog} --help`, which lists what it takes")


class _Short(argparse.RawDescriptionHelpFormatter):
    """A line for each option."""

    def __init__(self, prog: str, **shape: Any) -> None:
        super().__init__(prog, **{**shape, "max_help_position": 34, "width": 120})


class _HelpAll(argparse.Action):
    """Print the help of a command with every input."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        command = parser.prog.split()[-1]
        argv = [command, "--help"]
        parser_of(inputs(), argv, all_of=command).parse_args(argv)
        raise AssertionError("--help ends the process")


def unknown(word: str, command: str, declared: Iterable[Input]) -> UsageError:
    """Return the error for a word that means nothing: with our words where it is an option of another tool, else the nearest."""
    if command == "publish":
        from flakeship.settings.habits import of_other_tools

        if ours := of_other_tools(word):
            return UsageError(f"{word} is an option of {ours.tool}", hint=ours.hint)
    known = [item for item in declared if takes(command, item)]
    flags = [f"--{item.name}" for item in known if not item.secret and item.name not in POSITIONAL.values()]
    files = [f"--{item.name}-file" for item in known if item.secret]
    words = [choice for item in known if item.name == POSITIONAL.get(command) for choice in item.choices]
    what = "no option" if word.startswith("-") else "nothing to do with"
    all_ = "--help-all" if command == "publish" else "--help"
    return UsageError(
        f"there is {what} {word}{nearest(word, [*flags, *files, *words])}",
        hint=f"run `flakeship {command} {all_}`, which lists all of them",
    )


def parser_of(declared: Iterable[Input], argv: Sequence[str], *, all_of: str = "") -> argparse.ArgumentParser:
    """The parser of all commands, with the options of the one that `argv` begins with: each takes its time.

    The help of `publish` shows `_FIRST`, and all where `all_of` says so.
    """
    whole = _Parser(prog="flakeship", description=summary, allow_abbrev=False)
    whole.add_argument("--version", action="version", version=f"flakeship {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command, text in COMMANDS.items():
        shown = _FIRST if command in TAKES_WORDS and command != all_of else None
        sub = commands.add_parser(
            command,
            help=text,
            description=text,
            allow_abbrev=False,
            usage=_USAGE.get(command),
            epilog=_EXAMPLES if shown and command == "publish" else None,
            formatter_class=_Short if shown else argparse.HelpFormatter,
        )
        if command != argv[0]:
            continue
        if command in TAKES_WORDS:
            sub.add_argument("words", nargs="*", metavar="INSTALLABLE", help=_WORDS)
            sub.add_argument("--help-all", action=_HelpAll, nargs=0, help="show every input and exit")
        groups = {heading: sub.add_argument_group(heading) for heading in Heading}
        for item in declared:
            if item.name == POSITIONAL.get(command):
                word = "|".join(item.choices) or item.name.upper()
                sub.add_argument(item.attribute, metavar=word, nargs="?", help=item.help)
            elif takes(command, item):
                group = sub if shown else groups[item.heading]
                _add_flags(group.add_argument, item, short=shown)
    return whole


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
            add_as(*flags, metavar={"path": "PATH", "number": "N", "size": "SIZE"}.get(item.kind, "VALUE"))
