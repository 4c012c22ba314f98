"""What nixpkgs refuses to evaluate: unfree, insecure, broken packages, in its words until 2025 and those since 2026.

https://github.com/NixOS/nixpkgs/blob/master/pkgs/stdenv/generic/check-meta.nix
"""

from __future__ import annotations

import re
from typing import Final

from flakeship.errors import BuildError, Error
from flakeship.nix.cause import Cause
from flakeship.nix.failure import Failure


def _unfree(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} needs {_package(found)}, whose licence is unfree",
        hint="set `allow-unfree: true` to allow it for this build",
        detail=failure.end,
    )


def _insecure(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} needs {_package(found)}, which nixpkgs marks as insecure",
        hint="take a newer nixpkgs or another package; to allow this one, name it in the flake's "
        f"`import nixpkgs {{ config.permittedInsecurePackages = [ … ]; }}`, or {_allowed(failure, 'INSECURE')}",
        detail=failure.end,
    )


def _broken(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} needs {_package(found)}, which nixpkgs marks as broken",
        hint=f"take another nixpkgs, where it builds; to try it anyway, {_allowed(failure, 'BROKEN')}",
        detail=failure.end,
    )


def _problem(failure: Failure, found: re.Match[str]) -> Error:
    """A package with problems that must be acknowledged: https://github.com/NixOS/rfcs/blob/master/rfcs/0127-issues-warnings.md"""
    problems = re.findall(r"(?m)^ *- ([^:\n]+): ", found["rest"])
    if any(name == "broken" or '(kind "broken")' in name for name in problems):
        return _broken(failure, found)
    named = f": {', '.join(problems)}" if problems else ""
    return BuildError(
        f"{failure.installable} needs {_package(found)}, which nixpkgs refuses for its problems{named}",
        hint="read above what the problems are; to allow them, name them in the flake's "
        "`import nixpkgs { config.problems.handlers = { … }; }`",
        detail=failure.end,
    )


def _unsupported(failure: Failure, found: re.Match[str]) -> Error:
    return BuildError(
        f"{failure.installable} needs {_package(found)}, which nixpkgs does not have for this system",
        hint="build for a system that it has, such as `.#packages.x86_64-linux.NAME`, or leave it out; to try it anyway, "
        + _allowed(failure, "UNSUPPORTED_SYSTEM"),
        detail=failure.end,
    )


def _refused(failure: Failure, found: re.Match[str]) -> Error:
    why = found["rest"].strip().partition("\n")[0].rstrip(":").removesuffix(", refusing to evaluate.")
    return BuildError(
        f"{failure.installable} needs {_package(found)}, which nixpkgs refuses to evaluate, because it {why}",
        hint="read nixpkgs' whole message above, and change `config` of `import nixpkgs` or the package's `meta`",
        detail=failure.end,
    )


def _allowed(failure: Failure, what: str) -> str:
    seen = "" if failure.installable.file else " and `impure: true`, by which the flake can see it"
    return f"set the variable NIXPKGS_ALLOW_{what}=1 for this step{seen}"


def _package(found: re.Match[str]) -> str:
    return found["old"] or found["new"]


_OLD: Final = r"Package .(?P<old>[^\n]+?). in [^\n]*? "
_NEW: Final = r"Refusing to evaluate package '(?P<new>[^\n]+?)' in [^\n]*? because it "


def _says(words: str) -> str:
    """A pattern for a refusal in these words, at the beginning of an error: what quotes them is no refusal."""
    return rf"error: (?:{_OLD}|{_NEW})(?P<rest>{words}.*)"


CAUSES: Final = (
    Cause(_says("has an unfree license"), _unfree),
    Cause(_says("is marked as insecure"), _insecure),
    Cause(_says("is marked as broken"), _broken),
    Cause(_says("has (?:the following )?problems"), _problem),
    Cause(_says("is not (?:available on the requested hostPlatform|supported on)"), _unsupported),
    Cause(rf"error: (?:{_OLD}(?=[^\n]*, refusing to evaluate)|{_NEW})(?P<rest>.*)", _refused),
)
