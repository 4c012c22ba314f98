"""Warns of files of this run that lie in the sources of the flake: Nix would copy them into the next build."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from flakeship import events

if TYPE_CHECKING:
    from flakeship.nix.installable import Installable

_INIT: Final = (
    "run `git init && git add --all` in it before anything is written there: of a git repository Nix copies what git tracks, and "
    "nothing else. Or write to a folder outside of it"
)
_BY_GIT: Final = "write `.` in place of `path:`: then Nix copies what git tracks, and nothing else. Or write to a folder outside of it"


def warn_of_own_sources(
    installables: Iterable[Installable], places: Sequence[Path], emit: events.Emit
) -> bool:
    """Warn of each place that Nix copies with the flake's folder into its store; return True if there is one."""
    # docs/decisions.md#nothing-is-written-while-nix-reads-the-sources
    copied = dict.fromkeys(filter(None, map(copied_folder, installables)))
    inside = [
        (place, folder)
        for folder in copied
        for place in dict.fromkeys(Path(os.path.realpath(place)) for place in places)
        if place.is_relative_to(folder)
    ]
    for place, folder in inside:
        name = "the image" if place == folder else place.relative_to(folder)
        emit(
            events.Warned(
                f"the next build copies {name} too, since Nix copies all of {folder}: where `src` is the flake itself, each image "
                "holds the one before, and no two have the same digest",
                hint=_BY_GIT if _in_git(folder) else _INIT,
            )
        )
    return bool(inside)


def copied_folder(installable: Installable) -> Path | None:
    """The folder that Nix copies with everything in it: that of a `path:` flake, or of one in no git repository; else None.

    https://nix.dev/manual/nix/latest/command-ref/new-cli/nix3-flake#path-like-syntax
    """
    folder = installable.directory
    if folder is None:
        return None
    if installable.flake.startswith("path:"):
        return Path(os.path.realpath(Path(installable.cwd, unquote(urlsplit(installable.flake).path))))
    if installable.flake.startswith("git+file:") or _in_git(folder):
        return None
    return folder


def _in_git(folder: Path) -> bool:
    return any((each / ".git").exists() for each in (folder, *folder.parents))
