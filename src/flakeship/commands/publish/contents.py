"""What lies beside a package: the input `contents`, built with the inputs of the flake that is published, for its system.

The shell of the variant that `debug` asks for is one of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.commands.building.buildable import Buildable
from flakeship.commands.building.builder import Builder
from flakeship.commands.publish.beside import REGISTERED, for_system, is_foreign, locked, parsed
from flakeship.errors import BuildError, Error, UsageError
from flakeship.nix.build import current_system
from flakeship.nix.command import Nix
from flakeship.nix.derivation import describe
from flakeship.store_paths import STORE

if TYPE_CHECKING:
    from flakeship.commands.publish.request import SourceChoice
    from flakeship.commands.subject import Subject
    from flakeship.nix.flake import FlakeMetadata


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
    wanted = parsed(name, text, cwd)
    for buildable in subject.buildables:
        try:
            system, flake = buildable.description().system, buildable.flake()
        except Error:  # the build will say what is wrong, and better
            return
        named = locked(name, wanted, buildable, flake, builder.emit)
        try:
            if system in ("", current_system(builder.nix)):
                describe(builder.nix, named)
            else:
                for_system(name, named, system, replace(builder, emit=events.ignore))
        except BuildError as error:
            other = "; or name a package of your own flake (`.#NAME`), or a store path"
            hint = f"{error.hint}{other if REGISTERED.fullmatch(wanted.flake) else ''}"
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
    foreign = is_foreign(texts, system, nix)
    paths: dict[str, None] = {}
    for text in texts:
        if text.startswith(STORE):
            _check_store_path(name, text, builder)
            paths[text.rstrip("/")] = None
            continue
        installable = locked(name, parsed(name, text, cwd), buildable, flake, builder.emit)
        if foreign:
            installable = for_system(name, installable, system, builder)
        wanted = Buildable(builder, installable)
        paths |= dict.fromkeys((wanted.obtain() if buildable else wanted.build()).paths)
    return tuple(paths)


def _check_store_path(name: str, text: str, builder: Builder) -> None:
    where = "of this machine" if builder.far is None else f"on {builder.far.machine}"
    if not (os.path.lexists(text) if builder.far is None else builder.far.holds(text)):
        raise UsageError(
            f"{name}: there is no {text} in the Nix store {where}",
            hint="build it first, or write an installable such as `.#tools`, which is built",
        )
