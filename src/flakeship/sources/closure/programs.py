"""Which of a package's programs the image starts: Nix's rule for `nix run`, and an error where it would guess."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from flakeship.errors import NotAnImageError
from flakeship.sources.package import Package

_SHOWN: Final = 20


def program_of(package: Package) -> str:
    """Its full path. NotAnImageError, listing the candidates, where it is not clear which one is meant."""
    root = Path(package.path)
    if root.is_file():
        return package.path
    found = _programs(root / "bin")
    if not found:
        raise NotAnImageError(
            f"{package.path} is no image, and as a package it has no programs: there is none in its bin/",
            hint="point flakeship at a package with a program or at an image, or say by `entrypoint` what to run",
        )
    if len(found) == 1:
        return str(root / "bin" / found[0])
    names = package.names()
    for name in (names.main_program, names.pname):
        if name in found:
            return str(root / "bin" / name)
    wrong = f", and meta.mainProgram names {names.main_program!r}" if names.main_program else ""
    raise NotAnImageError(
        f"{package.path} has {len(found)} programs{wrong}: {_list(found)}",
        hint="say which one to run: `meta.mainProgram` in the package, or the input `entrypoint`",
    )


def _programs(folder: Path) -> list[str]:
    """Hidden ones (`.hello-wrapped`) are not meant to be run by hand."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in names if os.access(folder / name, os.X_OK))


def _list(names: list[str]) -> str:
    more = f", … ({len(names) - _SHOWN} more)" if len(names) > _SHOWN else ""
    return ", ".join(ascii(name)[1:-1] for name in names[:_SHOWN]) + more
