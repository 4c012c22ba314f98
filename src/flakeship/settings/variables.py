"""Inputs in the environment: FLAKESHIP_* and INPUT_*, what only looks like one, and what must not be passed on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from flakeship.errors import UsageError
from flakeship.settings.fields import Input

_PREFIXES: Final = ("INPUT_", "FLAKESHIP_")
_OF_A_SERVICE: Final = r"""(.*_)?(
        SERVICE_HOST=[0-9A-Fa-f.:]+ | SERVICE_PORT(_[A-Z0-9_]+)?=[0-9]+ | PORT=(tcp|udp|sctp)://.* |
        PORT_[0-9]+_(TCP|UDP|SCTP)=(tcp|udp|sctp)://.* |
        PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO=(tcp|udp|sctp)|PORT=[0-9]+|ADDR=[0-9A-Fa-f.:]+)
    )"""
"""What Kubernetes tells every pod of a service that is called like our prefix, as `NAME=value` behind it.

https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables; container links are told the same way.
"""

_PASSWORDS: Final = (
    re.compile(r"://[^/\s@:]*:([^/\s@]+)@"),
    re.compile(
        r"\b(gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl[a-z]{2,8}-[\w.-]{20,}|dckr_[a-z]{3,4}_[\w-]{20,})"
    ),
    re.compile(r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*)", re.DOTALL),
)
"""What is a secret wherever it stands: a password in a URL, tokens of GitHub, GitLab and Docker, and a private key."""

_IN_A_NAME: Final = re.compile(r"(?:^|[\s,=/])[^\s/@:,=]+:([^\s/@]+)@(?!sha\d+:)")
"""The password of `me:secret@ghcr.io/me/app`, which is no name of an image."""

_NAMES_AN_IMAGE: Final = frozenset(
    {"registry", "images", "tags", "to", "source", "image", "reuse-from", "base-image", "plain-http"}
)


def likely_secrets(
    argv: Sequence[str], environ: Mapping[str, str], declared: Iterable[Input]
) -> Iterator[str]:
    """Yield what may be a secret in all that was written, before it is known to be well formed: an error may quote it.

    Beside the secret inputs themselves it is what was written in the wrong place: a secret in place of the name of its file,
    and a password or a key in any other input.
    """
    secret = {item.name for item in declared if item.secret}
    files = {f"{name}-file" for name in secret}
    for name, text in _written(argv, environ):
        if name in secret or (name in files and not os.path.exists(text)):  # noqa: PTH110 - Path raises for what is no path
            yield text
        for pattern in _PASSWORDS:
            yield from pattern.findall(text)
        if name in _NAMES_AN_IMAGE:
            yield from _IN_A_NAME.findall(text)


def _written(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each input that a variable or a word of `argv` gives, whether there is such an input or not, with its text."""
    for variable, text in environ.items():
        for prefix in _PREFIXES:
            if text and variable.startswith(prefix):
                yield _input_name(variable, prefix), text
    before = ""
    for word in argv:
        name, equals, text = word.partition("=")
        yield (name.lstrip("-"), text) if equals else (before.lstrip("-"), word)
        before = word


def variables_of(
    environ: Mapping[str, str], declared: Mapping[str, Input], *, of_a_step: bool = False
) -> tuple[dict[str, str], list[str]]:
    """Return values by input name, and warnings. UsageError for a FLAKESHIP_* that is no input.

    With `of_a_step` every INPUT_* is of a workflow's step: one that is nearly an input is an error, too.

    An empty variable is unset: so GitLab and GitHub hand over what nobody wrote. GitHub turns an input's name to upper
    case and leaves its hyphens.
    """
    files = {item.name: f"{item.name}-file" for item in declared.values() if item.secret}
    twins = files | {file: name for name, file in files.items()}
    known = set(declared) | set(twins)
    values: dict[str, str] = {}
    warnings: list[str] = []
    # docs/decisions.md#the-place-of-a-secret-decides
    for prefix in _PREFIXES:
        found: dict[str, str] = {}
        for variable, text in environ.items():
            if not variable.startswith(prefix) or not text:
                continue
            name = _input_name(variable, prefix)
            if name in known:
                found[name] = text
            elif re.fullmatch(_OF_A_SERVICE, f"{variable.removeprefix(prefix)}={text}", re.VERBOSE):
                continue
            elif prefix == "INPUT_":
                warnings.append(_no_input(name, known, of_a_step=of_a_step))
            else:
                raise UsageError(
                    f"{variable} is set, but there is no input {name!r}{nearest(name, known)}",
                    hint="correct the name of the variable, or unset it; `flakeship publish --help-all` lists all inputs",
                )
        replaced = {twins[name] for name in found if name in twins}
        values = {name: text for name, text in values.items() if name not in replaced} | found
    return values, warnings


def of_other_commands(
    environ: Mapping[str, str],
    taken: Iterable[Input],
    declared: Mapping[str, Input],
    *,
    of_a_step: bool = False,
) -> list[str]:
    """Return a warning for each INPUT_* that another command takes and this one does not: an action has those of one command.

    UsageError as of `variables_of`.
    """
    names = {item.name for item in taken}
    others = [
        name
        for variable, text in environ.items()
        if variable.startswith("INPUT_") and text
        for name in [_input_name(variable, "INPUT_")]
        if name in declared and name not in names
    ]
    return [_no_input(name, names, of_a_step=of_a_step) for name in others]


def check_passed(names: Iterable[str], declared: Iterable[Input]) -> None:
    """Raise UsageError for secrets of this run in `pass-env`: a builder may read what Nix is given:
    docs/security.md#what-each-program-is-given.
    """
    secrets = {name: item for item in declared if item.secret for name in (item.name, f"{item.name}-file")}
    for name in names:
        for prefix in _PREFIXES:
            item = secrets.get(_input_name(name, prefix)) if name.startswith(prefix) else None
            if item:
                raise UsageError(
                    f"pass-env: {name} holds the input {item.name} of this run, which Nix and its builders never get",
                    hint="remove it from `pass-env`, and put a secret that a build needs into a variable of its own",
                )


def _input_name(variable: str, prefix: str) -> str:
    return variable.removeprefix(prefix).lower().replace("_", "-")


# docs/decisions.md#a-misspelt-input-is-an-error
def _no_input(name: str, known: Iterable[str], *, of_a_step: bool) -> str:
    """The warning; UsageError where a step misspells an input. A name that only begins like one may be meant for others."""
    from flakeship.outside.nearness import misspelt_word

    if of_a_step and (meant := misspelt_word(name, known)):
        raise UsageError(f"there is no input {name!r}", hint=f"write `{meant}`, or leave {name} out")
    return f"there is no input {name!r}{nearest(name, known)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for what a word nearly is, else an empty text."""
    from flakeship.outside.nearness import nearest_word

    near = nearest_word(word, known)
    return f"; did you mean {near!r}?" if near else ""
