"""What the input `contents` names, as installables of the flake that is published and for its system."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.building.buildable import Buildable
from flakeship.commands.building.builder import Builder
from flakeship.errors import BuildError, UsageError
from flakeship.nix.build import current_system
from flakeship.nix.command import Nix
from flakeship.nix.derivation import describe
from flakeship.nix.installable import Installable
from flakeship.store_paths import STORE

if TYPE_CHECKING:
    from flakeship.commands.publish.parts import Obtained
    from flakeship.nix.flake import FlakeMetadata

REGISTERED: Final = re.compile(r"(?:flake:)?(?P<name>[A-Za-z][A-Za-z0-9_-]*)")
"""A flake reference that is looked up in Nix's registry; one with a branch behind it asks for another than the locked one."""


def buildables_beside(
    texts: Sequence[str], obtained: Obtained, builder: Builder, cwd: Path
) -> Iterator[Buildable]:
    """Yield what `contents_of` has built, to be asked about again; of a store path nothing can be asked. BuildError without Nix."""
    silent = replace(builder, emit=events.ignore)
    system = obtained.system or (obtained.output.system if obtained.output else "")
    foreign = "-" in system and is_foreign(texts, system, builder.nix)
    for text in texts:
        if text.startswith(STORE):
            continue
        installable = locked(
            "contents", parsed("contents", text, cwd), obtained.buildable, obtained.flake, events.ignore
        )
        yield Buildable(
            builder, for_system("contents", installable, system, silent) if foreign else installable
        )


def is_foreign(texts: Sequence[str], system: str, nix: Nix) -> bool:
    """Whether the attributes among these must be looked for at another system than this machine's."""
    return any(not text.startswith(STORE) for text in texts) and system != current_system(nix)


def parsed(name: str, text: str, cwd: Path) -> Installable:
    """Read one line of the input `name`. UsageError where it is malformed."""
    try:
        return Installable.parse(text, cwd=str(cwd))
    except UsageError as error:
        raise UsageError(error.message.replace("flake:", f"{name}:", 1), hint=error.hint) from error


def locked(
    name: str,
    installable: Installable,
    buildable: Buildable | None,
    flake: FlakeMetadata | None,
    emit: events.Emit,
) -> Installable:
    """The installable by the lock of the flake that is published; where that has no such input, a notice says so."""
    # docs/decisions.md#contents-come-from-the-flakes-own-lock
    hit = REGISTERED.fullmatch(installable.flake)
    if hit is None:
        return installable
    published = buildable.installable if buildable else None
    if published and published.flake and flake and hit["name"] in flake.inputs:
        return replace(installable, inputs_from=published.flake)
    why = (
        f"{published.flake} has no input {hit['name']!r}"
        if published and published.flake
        else "there is no flake whose lock file could say which"
    )
    emit(
        events.Notice(
            f"{name}: {installable} is looked up in this machine's registry of flakes, because {why}"
        )
    )
    return installable


def for_system(name: str, installable: Installable, system: str, builder: Builder) -> Installable:
    """The installable where Nix would look for it on a machine of this system; a warning where it is not there."""
    attribute = installable.attribute
    places = (
        (f"packages.{system}.{attribute}", f"legacyPackages.{system}.{attribute}")
        if attribute
        else (f"packages.{system}.default", f"defaultPackage.{system}")
    )
    for place in (*places, attribute):
        candidate = replace(installable, attribute=place)
        try:
            found = describe(builder.nix, candidate).system
        except BuildError:
            continue
        if place != attribute or found in ("", system):
            return candidate
        builder.emit(
            events.Warned(
                f"{name}: {installable} is for {found}, but the package is for {system}",
                f"name one that is for {system}: `FLAKE#packages.{system}.NAME`",
            )
        )
    return installable
