"""What of a repository can be seen here: a worktree has its other half elsewhere, and a container sees what is mounted."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOUNT_ALL: Final = (
    "start the container at the top of the repository, of which it sees what is mounted alone: "
    '`docker run -v "$(git rev-parse --show-toplevel):/work" -w /work …`'
)
"""The hint where a folder below the top was mounted."""

MOUNTS: Final = Path("/proc/self/mountinfo")

_POINT: Final = 4
"""The place of the mount point in a line of mountinfo."""

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
"""How mountinfo writes a blank, a tab, a line break and a backslash."""

_LINK: Final = "gitdir: "
_MOST: Final = 4096
"""Bytes of a `.git` file that are read: it holds one path."""


def in_container(environ: Mapping[str, str]) -> bool:
    """Whether the image or the engine says so: https://systemd.io/CONTAINER_INTERFACE. Our image and podman do."""
    return bool(environ.get("container"))


def as_root_hint(environ: Mapping[str, str]) -> str:
    """The hint where Nix finds no store that this user of a container may write to; empty for root, and outside of a container."""
    if os.geteuid() == 0 or not in_container(environ):
        return ""
    return (
        "leave `--user` of `docker run` out: the Nix of a container is root's, and files in the mounted folder are given to the "
        "owner of that folder"
    )


def on_no_volume(path: Path, mounts: str) -> bool:
    """Whether a path lies in the container's own layer, and goes with it.

    `mounts` is the content of /proc/self/mountinfo: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
    """
    fields = (line.split(" ") for line in mounts.splitlines())
    points = (
        _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), each[_POINT])
        for each in fields
        if len(each) > _POINT
    )
    return not any(point != "/" and path.is_relative_to(point) for point in points)


def unmounted_hint(error: BaseException | None, environ: Mapping[str, str], *, mounts: Path = MOUNTS) -> str:
    """The hint where a file is not found that the machine may have, and its container does not see; empty for any other error.

    A name without a slash is that of a program.
    """
    if not isinstance(error, FileNotFoundError) or not in_container(environ):
        return ""
    if not isinstance(error.filename, str) or "/" not in error.filename:
        return ""
    try:
        told = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    path = Path(os.path.realpath(error.filename))
    return (
        "if your machine has it, mount its folder into the container: `docker run -v FOLDER:FOLDER …`"
        if on_no_volume(path, told)
        else ""
    )


@dataclass(frozen=True, slots=True)
class OtherHalf:
    """The folder of git that the `.git` file of a worktree or submodule leads to. `relative` is True if it does so by a relative path.

    `elsewhere` is the place at which git knows the worktree, if nothing is there; else None.
    """

    folder: Path
    relative: bool
    elsewhere: Path | None = None

    @property
    def is_here(self) -> bool:
        """True if the folder can be seen."""
        return self.folder.exists()

    @property
    def mount(self) -> str:
        """The options of `docker run` with which a container sees both halves."""
        if not self.relative:
            whole = next(
                (each for each in (self.folder, *self.folder.parents) if each.name == ".git"), self.folder
            )
            return f'-v "${{PWD}}:${{PWD}}" -w "${{PWD}}" -v "{whole}:{whole}:ro"'
        parts = self.folder.parts
        if "modules" not in parts:
            return '-v "FOLDER:/work" -w "/work/WORKTREE"'  # the folder that holds both of them
        within = "/".join(parts[parts.index("modules") + 1 :])
        return f'-v "$(git rev-parse --show-superproject-working-tree):/work" -w "/work/{within}"'


def other_half(folder: Path) -> OtherHalf | None:
    """What the `.git` file of a worktree or submodule leads to; None for any other folder.

    https://git-scm.com/docs/gitrepository-layout
    """
    for each in (folder, *folder.parents):
        link = each / ".git"
        try:
            if link.is_dir():
                return None
            if not link.is_file():
                continue
            text = _beginning(link)
            target = text.removeprefix(_LINK).strip()
            if not text.startswith(_LINK):
                return None
            return OtherHalf(each / target, not Path(target).is_absolute(), _known_at(each / target))
        except OSError:
            return None
    return None


def _known_at(folder: Path) -> Path | None:
    """The place that git's half names for the worktree, where nothing is there."""
    try:
        worktree = folder / _beginning(folder / "gitdir").strip()
    except OSError:  # a submodule has no such file
        return None
    return None if worktree.exists() else worktree.parent


def _beginning(path: Path) -> str:
    with path.open(errors="replace") as file:
        return file.read(_MOST)
