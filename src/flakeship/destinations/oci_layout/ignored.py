"""A layout in somebody's working tree is no part of their sources: git is told so by a file within it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

NAME: Final = ".gitignore"
_EVERYTHING: Final = "*\n"


def ignore_itself(folder: Path) -> None:
    """Write a .gitignore that covers the folder, itself included, where git would see it. OSError where it can't be written.

    So `git add` takes no blob of it, and Nix, which copies what git knows, puts none into its store.
    """
    # docs/decisions.md#a-layout-in-a-working-tree-ignores-itself
    real = folder.resolve()
    if any((above / ".git").exists() for above in real.parents):
        with contextlib.suppress(FileExistsError), (folder / NAME).open("x", encoding="utf-8") as file:
            file.write(_EVERYTHING)
