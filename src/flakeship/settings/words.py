"""The words of a command line: what to publish and where to, without a flag, and values that a shell left empty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flakeship.errors import UsageError
from flakeship.settings.command_line import REFERENCE, WITHOUT_FLAG
from flakeship.settings.fields import Input
from flakeship.store_paths import STORE, whole_store_path

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


def without_help(argv: Sequence[str]) -> list[str]:
    """Write `help publish` as `publish --help`, and `help` alone as `--help`."""
    return [*argv[1:2], "--help"] if argv[0] == "help" else [*argv]


_MAY_BE_EMPTY: Final = frozenset({"labels", "annotations", "flavor"})
"""What another tool gives for these is handed on, and may be nothing; an image goes to the same place without."""


def check_filled(words: Sequence[str], given: Mapping[str, Any], declared: Iterable[Input]) -> None:
    """UsageError for an empty word or value: it is what a shell leaves of a variable that is not set.

    In the environment an empty value is unset, for there it is how CI hands over what nobody wrote.
    """
    for place_, word in enumerate(words):
        if not word.strip():
            raise _empty("INSTALLABLE" if place_ < _first(given) else "REFERENCE")
    for item in declared:
        name = f"{item.attribute}_file" if item.secret else item.attribute
        value = given.get(name)
        written = value if isinstance(value, list) else [] if value is None else [value]
        if (
            item.kind != "verbatim"
            and item.name not in _MAY_BE_EMPTY
            and any(
                isinstance(text, str) and not text.strip(" \t\r\n," if item.kind == "list" else None)
                for text in written
            )
        ):
            positional = item.name in WITHOUT_FLAG
            raise _empty(item.name.upper() if positional else f"--{name.replace('_', '-')}")


def _first(given: Mapping[str, Any]) -> int:
    """The place of the first reference among the words: before it stands what is published, unless a flag says that."""
    return 0 if any(given.get(name) for name in ("flake", "source", "file")) else 1


def _empty(what: str) -> UsageError:
    return UsageError(
        f"{what} is empty (an unset variable?)", hint="look at how the variable is spelled, or leave it out"
    )


def place(words: Sequence[str], given: dict[str, Any]) -> tuple[str, ...]:
    """Take what is given without flags. For `merge` that is what to merge; for `publish` an installable, unless a flag says
    what to publish, then references.

    Return what the user should know of it.
    """
    if given["command"] == "merge":
        given["legs"] = [*(given.get("legs") or ()), *words] or None
        return ()
    first = _first(given)
    named = not first
    _check_words(words, first, given)
    notices: tuple[str, ...] = ()
    if words and not named:
        is_source = words[0] in STDINS or words[0].startswith((*SOURCES, *_DESCRIPTORS))
        if not is_source and (what := _built_already(words[0])):
            is_source = True
            notices = (f"{words[0]} is {what}, so it is taken as `source`, and nothing is built",)
        given.update({"source": words[0]} if is_source else {"flake": [words[0]]})
    if words[first:]:
        given["tags"] = [*(given.get("tags") or ()), *words[first:]]
    return notices


# docs/decisions.md#a-file-is-no-flake
def _built_already(word: str) -> str:
    """Say what lies at a path that can't be a flake: a file, or what a link leads to in the store; else return an empty text."""
    path = Path(word)
    try:
        if path.name == "flake.nix" or (path / "flake.nix").exists():
            return ""
        if whole_store_path(path):
            return "a store path" if word.startswith(STORE) else "a link into the store"
        return "a file" if path.exists() and not path.is_dir() else ""
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return ""


_DESCRIPTORS: Final = ("/dev/fd/", "/proc/self/fd/")
"""What a shell writes for `<(…)` begins so."""


def _check_words(words: Sequence[str], first: int, given: Mapping[str, Any]) -> None:
    """UsageError for a reference in the place of what is built, and for what is built in the place of a reference."""
    if first and words and REFERENCE.fullmatch(words[0]):
        what = next((word for word in words[1:] if _says_what(word)), "")
        if what:
            others = [word for word in words if word != what]
            raise UsageError(
                f"{words[0]!r} is a place to push to, and {what!r} behind it says what",
                hint=f"write them the other way round: `flakeship publish {' '.join([what, *others])}`",
            )
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
        option = next((name for name in _PAIRS if given.get(name)), "")
        if option and _PAIR.fullmatch(word) and not _is_of_an_image(word, given):
            raise UsageError(
                f"{word!r} is no reference to push to",
                hint=f"write the option before each value: `--{option} {given[option][0]} --{option} {word}`",
            )
        if _says_what(word):
            raise UsageError(
                f"{word!r} says what to publish, and that is said already",
                hint="write references behind it, and each of several attributes as `--flake NAME=INSTALLABLE`",
            )


_PAIRS: Final = ("labels", "annotations", "env")
"""Options that are given once for each KEY=VALUE."""
_PAIR: Final = re.compile(r"(?!type=)([A-Za-z0-9_.-]+)=[^/]*")
"""What looks like another value of theirs; a rule for tags has its type first."""


def _is_of_an_image(word: str, given: Mapping[str, Any]) -> bool:
    """Whether a tag begins with the name of one of several attributes, `app=1.2`."""
    name = word.partition("=")[0]
    lines = [line for text in given.get("flake") or () for line in text.splitlines()]
    return any(line.startswith(f"{name}=") or line.endswith((f"#{name}", f".{name}")) for line in lines)


def _says_what(word: str) -> bool:
    """Whether a word can't be a reference, and looks like what is to be published."""
    return "#" in word or word == "-" or word.startswith((".", "/"))


def is_stdin(source: str) -> bool:
    """Whether a `source` comes through stdin."""
    form = next((form for form in SOURCES if source.startswith(form)), "")
    return source.removeprefix(form).partition(":")[0] in STDINS
