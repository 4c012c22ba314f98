"""Which of a package's programs the image starts: Nix's rule for `nix run`, and an error where it would guess."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship.errors import Error, NotAnImageError
from flakeship.sources.inside import error_about
from flakeship.sources.package import Names, Package
from flakeship.sources.store_files import StoreFiles

_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Program:
    """The program that an image starts, by its full path. `chosen_by` are the names that decided between several."""

    path: str
    chosen_by: Names | None = None


def program_of(package: Package) -> Program:
    """NotAnImageError, listing the candidates, where it is not clear which one is meant."""
    if package.files.kind(package.path) == "file":
        return Program(package.path)
    found = programs_of(package)
    if not found:
        for output in package.outputs:
            message, hint = error_about(package.files.here(output), built=True)
            if message:
                raise NotAnImageError(message, hint=hint)
        raise NotAnImageError(
            f"{' and '.join(package.outputs)} is neither an image nor a package with a program: its bin/ is empty or does not exist",
            hint="name a package with a program or an image, or set `entrypoint` to what to run",
        )
    if len(found) == 1:
        return Program(next(iter(found.values())))
    names = package.names()
    for name in (names.main_program, names.pname):
        if name in found:
            return Program(found[name], names)
    wrong = f", and meta.mainProgram names {names.main_program!r}" if names.main_program else ""
    raise NotAnImageError(
        f"{' and '.join(package.outputs)} has {len(found)} programs{wrong}: {_list(sorted(found))}",
        hint="name the one to run by `meta.mainProgram` in the package, or by `entrypoint`",
    )


def programs_of(package: Package) -> Mapping[str, str]:
    """The programs of all outputs by name, each with its full path; of two with one name that of the first output."""
    found: dict[str, str] = {}
    for root in package.outputs:
        for name in _programs(f"{root}/bin", package.files):
            found.setdefault(name, f"{root}/bin/{name}")
    return found


def warn_of_other_name(package: Package, program: str) -> None:
    """Warn where the package names a program that it does not have, and the image starts the only one there is.

    `nix run` would fail. The names cost an evaluation, which at the end of a run is done already.
    """
    try:
        named = package.names().main_program
    except Error:
        return
    if named and named != Path(program).name:
        package.warn(
            f"meta.mainProgram names {named!r}, which is not in {' or '.join(package.outputs)}: the image starts {program}",
            "correct meta.mainProgram, or name the output that has it: `.#package^out,bin`",
        )


def _programs(folder: str, files: StoreFiles) -> list[str]:
    """Hidden ones (`.hello-wrapped`) are not meant to be run by hand."""
    try:
        names = map(os.fsdecode, files.names(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if not name.startswith(".") and files.is_program(f"{folder}/{name}"))


def _list(names: list[str]) -> str:
    more = f", … ({len(names) - _SHOWN} more)" if len(names) > _SHOWN else ""
    return ", ".join(ascii(name)[1:-1] for name in names[:_SHOWN]) + more
