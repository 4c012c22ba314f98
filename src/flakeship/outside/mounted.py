"""What of a repository can be seen here: a worktree has its other half elsewhere, and a container sees what is mounted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MOUNT_ALL: Final = (
    "start the container at the top of the repository, of which it sees what is mounted alone: "
    '`docker run -v "$(git rev-parse --show-toplevel):/work" -w /work …`'
)
"""The hint where a folder below the top was mounted."""

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


def absent_repository(folder: Path) -> Path | None:
    """The folder that the `.git` file of a worktree or submodule leads to, if that folder is not here; else None.

    https://git-scm.com/docs/gitrepository-layout
    """
    for each in (folder, *folder.parents):
        link = each / ".git"
        try:
            if link.is_dir():
                return None
            if not link.is_file():
                continue
            with link.open(errors="replace") as file:
                text = file.read(_MOST)
            target = each / text.removeprefix(_LINK).strip()
            return None if not text.startswith(_LINK) or target.exists() else target
        except OSError:
            return None
    return None


def whole_repository(git_folder: Path) -> Path:
    """The `.git` folder that a folder of a worktree or submodule lies in: `/app/.git` of `/app/.git/worktrees/x`."""
    return next((each for each in (git_folder, *git_folder.parents) if each.name == ".git"), git_folder)
