"""What lies beside a package: the input `contents`, built with the inputs of the flake that is published, for its system.

The shell of the variant that `debug` asks for is one of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.buildable import Buildable
from flakeship.commands.builder import Builder
from flakeship.errors import BuildError, Error, UsageError
from flakeship.nix.build import current_system
from flakeship.nix.command import Nix
from flakeship.nix.derivation import describe
from flakeship.nix.installable import Installable
from flakeship.store_paths import STORE

if TYPE_CHECKING:
    from flakeship.commands.publish.parts import Obtained
    from flakeship.commands.publish.request import SourceChoice
    from flakeship.commands.subject import Subject
    from flakeship.nix.flake import FlakeMetadata

_REGISTERED: Final = re.compile(r"(?:flake:)?(?P<name>[A-Za-z][A-Za-z0-9_-]*)")
"""A flake reference that is looked up in Nix's registry; one with a branch behind it asks for another than the locked one."""


# docs/decisions.md#contents-are-evaluated-before-the-build
def check_contents(choice: SourceChoice, subject: Subject, *, builder: Builder, cwd: Path) -> None:
    """Evaluate everything that is to lie beside the package and its variant, so that a mistake ends the run before a build.

    UsageError for text that is malformed; BuildError for what does not evaluate or can't be fetched.
    """
    for name, texts in (("contents", choice.contents), ("debug-shell", choice.debug_shell)):
        for text in texts:
            _check(name, text, subject, builder, cwd)


def _check(name: str, text: str, subject: Subject, builder: Builder, cwd: Path) -> None:
    if text.startswith(STORE):
        _check_store_path(name, text, builder)
        return
    wanted = _parsed(name, text, cwd)
    for buildable in subject.buildables:
        try:
            system, flake = buildable.description().system, buildable.flake()
        except Error:  # the build will say what is wrong, and better
            return
        locked = _locked(name, wanted, buildable, flake, builder.emit)
        try:
            if system in ("", current_system(builder.nix)):
                describe(builder.nix, locked)
            else:
                _for_system(name, locked, system, replace(builder, emit=events.ignore))
        except BuildError as error:
            other = "; or name a package of your own flake (`.#NAME`), or a store path"
            hint = f"{error.hint}{other if _REGISTERED.fullmatch(wanted.flake) else ''}"
            raise BuildError(f"{name}: {error.message}", hint=hint, detail=error.detail) from error


def contents_of(
    texts: Sequence[str],
    system: str,
    *,
    buildable: Buildable | None,
    flake: FlakeMetadata | None,
    builder: Builder,
    nix: Nix,
    cwd: Path,
    name: str = "contents",
) -> tuple[str, ...]:
    """Return the store paths of all outputs that are asked for, each once. BuildError and ResourceError as a build.

    `buildable` is the package that they lie beside, with its `flake`; both are None for a `source`. `name` is that of the input.
    """
    foreign = _is_foreign(texts, system, nix)
    paths: dict[str, None] = {}
    for text in texts:
        if text.startswith(STORE):
            _check_store_path(name, text, builder)
            paths[text.rstrip("/")] = None
            continue
        installable = _locked(name, _parsed(name, text, cwd), buildable, flake, builder.emit)
        if foreign:
            installable = _for_system(name, installable, system, builder)
        wanted = Buildable(builder, installable)
        paths |= dict.fromkeys((wanted.obtain() if buildable else wanted.build()).paths)
    return tuple(paths)


def buildables_beside(
    texts: Sequence[str], obtained: Obtained, builder: Builder, cwd: Path
) -> Iterator[Buildable]:
    """Yield what `contents_of` has built, to be asked about again; of a store path nothing can be asked. BuildError without Nix."""
    silent = replace(builder, emit=events.ignore)
    system = obtained.system or (obtained.output.system if obtained.output else "")
    foreign = bool(system) and _is_foreign(texts, system, builder.nix)
    for text in texts:
        if text.startswith(STORE):
            continue
        parsed = _parsed("contents", text, cwd)
        installable = _locked("contents", parsed, obtained.buildable, obtained.flake, events.ignore)
        yield Buildable(
            builder, _for_system("contents", installable, system, silent) if foreign else installable
        )


def _is_foreign(texts: Sequence[str], system: str, nix: Nix) -> bool:
    """Whether the attributes among these must be looked for at another system than this machine's."""
    return any(not text.startswith(STORE) for text in texts) and system != current_system(nix)


def _check_store_path(name: str, text: str, builder: Builder) -> None:
    where = "of this machine" if builder.far is None else f"on {builder.far.machine}"
    if not (os.path.lexists(text) if builder.far is None else builder.far.holds(text)):
        raise UsageError(
            f"{name}: there is no {text} in the Nix store {where}",
            hint="build it first, or write an installable such as `.#tools`, which is built",
        )


def _parsed(name: str, text: str, cwd: Path) -> Installable:
    try:
        return Installable.parse(text, cwd=str(cwd))
    except UsageError as error:
        raise UsageError(error.message.replace("flake:", f"{name}:", 1), hint=error.hint) from error


def _locked(
    name: str,
    installable: Installable,
    buildable: Buildable | None,
    flake: FlakeMetadata | None,
    emit: events.Emit,
) -> Installable:
    """The installable by the lock of the flake that is published; where that has no such input, a notice says so."""
    # docs/decisions.md#contents-come-from-the-flakes-own-lock
    hit = _REGISTERED.fullmatch(installable.flake)
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


def _for_system(name: str, installable: Installable, system: str, builder: Builder) -> Installable:
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
