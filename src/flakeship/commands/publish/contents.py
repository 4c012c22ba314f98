"""What lies beside a package: the input `contents`, built with the inputs of the flake that is published, for its system."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.commands.builder import Buildable, Builder
from flakeship.commands.publish.parts import Obtained
from flakeship.errors import BuildError, UsageError
from flakeship.nix.build import current_system
from flakeship.nix.command import Nix
from flakeship.nix.derivation import describe
from flakeship.nix.installable import Installable
from flakeship.store_paths import STORE

_REGISTERED: Final = re.compile(r"(?:flake:)?(?P<name>[A-Za-z][A-Za-z0-9_-]*)")
"""A flake reference that is looked up in Nix's registry; one with a branch behind it asks for another than the locked one."""


def contents_of(
    texts: Sequence[str], obtained: Obtained, system: str, *, builder: Builder, nix: Nix, cwd: Path
) -> tuple[str, ...]:
    """Return the store paths of all outputs that are asked for, each once. BuildError and ResourceError as a build."""
    named = [text for text in texts if not text.startswith(STORE)]
    foreign = bool(named) and system != current_system(nix)
    paths: dict[str, None] = {}
    for text in texts:
        if text.startswith(STORE):
            paths[text.rstrip("/")] = None
            continue
        installable = _locked(_parsed(text, cwd), obtained, builder.emit)
        if foreign:
            installable = _for_system(installable, system, builder)
        paths |= dict.fromkeys(Buildable(builder, installable).build().paths)
    return tuple(paths)


def _parsed(text: str, cwd: Path) -> Installable:
    try:
        return Installable.parse(text, cwd=str(cwd))
    except UsageError as error:
        raise UsageError(error.message.replace("flake:", "contents:", 1), hint=error.hint) from error


def _locked(installable: Installable, obtained: Obtained, emit: events.Emit) -> Installable:
    """The installable by the lock of the flake that is published, where it is an input of it; else that is said."""
    # docs/decisions.md#contents-come-from-the-flakes-own-lock
    hit = _REGISTERED.fullmatch(installable.flake)
    if hit is None:
        return installable
    published = obtained.buildable.installable if obtained.buildable else None
    if published and published.flake and obtained.flake and hit["name"] in obtained.flake.inputs:
        return replace(installable, inputs_from=published.flake)
    why = (
        f"{published.flake} has no input {hit['name']!r}"
        if published and published.flake
        else "there is no flake whose lock file could say which"
    )
    emit(
        events.Notice(
            f"contents: {installable} is what {hit['name']} stands for in this machine's registry of flakes, for {why}"
        )
    )
    return installable


def _for_system(installable: Installable, system: str, builder: Builder) -> Installable:
    """The installable where Nix would look for it on a machine of this system; a warning where it is not there."""
    name = installable.attribute
    places = (
        (f"packages.{system}.{name}", f"legacyPackages.{system}.{name}")
        if name
        else (f"packages.{system}.default", f"defaultPackage.{system}")
    )
    for place in (*places, name):
        candidate = replace(installable, attribute=place)
        try:
            found = describe(builder.nix, candidate).system
        except BuildError:
            continue
        if place != name or found in ("", system):
            return candidate
        builder.emit(
            events.Warned(
                f"contents: {installable} is for {found}, but the package is for {system}",
                f"name one that is for {system}: `FLAKE#packages.{system}.NAME`",
            )
        )
    return installable
