"""Attributes that a flake or a file does not have, or that are no package."""

from __future__ import annotations

import re
from typing import Final

from flakeship.errors import BuildError, Error
from flakeship.nix import alternatives
from flakeship.nix.cause import Cause
from flakeship.nix.failure import Failure


class NoOutputError(BuildError):
    """The package is there, and has no such output: no file is missing."""


def _missing_attribute(failure: Failure, found: re.Match[str]) -> Error:
    systems = re.search(r"packages\.([a-z0-9_]+-[a-z]+)", found[0])
    system = systems[1] if systems else ""
    known = alternatives.alternatives_of(failure.nix, failure.installable, system=system)
    wanted = failure.installable.names
    missing = re.search(r"\.([^.']+)'", found[0])
    name = wanted[-1] if wanted else "default"
    if missing and name in known.packages and missing[1] not in (name, f'"{name}"'):
        return _without_output(failure, missing)
    return BuildError(
        f"the flake {failure.installable.flake} has no package {failure.installable.attribute!r}"
        if wanted
        else f"the flake {failure.installable.flake} has no default package",
        hint=alternatives.hint_of(known, wanted=wanted, flake=failure.installable.flake),
        detail="" if known else failure.end,
    )


def _without_output(failure: Failure, found: re.Match[str]) -> Error:
    return NoOutputError(
        f"{failure.installable} has no output {found[1]!r}",
        hint="write an output that the package has behind `^`, or none for those of its `meta.outputsToInstall`",
    )


def _missing_in_file(failure: Failure, found: re.Match[str]) -> Error:
    known = alternatives.names_in_file(failure.nix, failure.installable)
    return BuildError(
        f"{failure.installable.file} has no attribute {found['attribute']!r}",
        hint=alternatives.hint_of_file(known, wanted=failure.installable.names),
        detail=failure.end,
    )


_VALUES: Final = {
    "set": "a set, which may hold some",
    "lambda": "a function",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "string": "a string",
    "path": "a path",
    "list": "a list",
    "null": "null",
}


def _no_derivation(failure: Failure, _: re.Match[str]) -> Error:
    nix, installable = failure.nix, failure.installable
    value = _VALUES.get(alternatives.kind_of_value(nix, installable), "something that holds some, or a value")
    message, wanted = f"{installable} is not a package, but {value}", installable.names
    if installable.file:
        names = alternatives.names_in_file(nix, installable)
        hint = alternatives.hint_of_file([name for name in names if (name,) != wanted], wanted=wanted)
        return BuildError(message, hint=hint, detail=failure.end)
    known = alternatives.alternatives_of(nix, installable)
    return BuildError(
        message,
        hint=alternatives.hint_of(known, wanted=wanted, flake=installable.flake, exists=True),
        detail="" if known else failure.end,
    )


CAUSES: Final = (
    Cause(r"does not provide attribute [^\n]*", _missing_attribute, source=True),
    Cause(
        r"selection path '(?P<attribute>[^'\n]*)' (?:not found|should be a set)",
        _missing_in_file,
        source=True,
    ),
    Cause(r"flake output attribute '[^']+' (?:is not|to be) a derivation", _no_derivation, source=True),
    Cause(
        r"string '(?P<value>[^\n]*)' has \d+ entries in its context|expression does not evaluate to a derivation"
        r"|error: '[^'\n]*' is not an attribute set",
        _no_derivation,
    ),
    Cause(r"derivation '[^'\n]+' does not have (?:wanted )?outputs? '([^'\n]+)'", _without_output),
)
