"""Pointers of git LFS, which stand for files that were not fetched: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""

from __future__ import annotations

from typing import Final

HINT: Final = (
    "fetch the files by `git lfs pull` (actions/checkout: `lfs: true`); Nix takes them into a flake's source by `?lfs=1` "
    "behind the flake's address, from 2.27 on"
)
_BEGINNING: Final = b"version https://git-lfs.github.com/spec/"


def is_pointer(head: bytes) -> bool:
    """Whether a file that begins so is a pointer."""
    return head.startswith(_BEGINNING)
