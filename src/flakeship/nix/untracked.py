"""Files that git does not track: Nix does not see them, and the build fails as if they were not there."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from flakeship import process
from flakeship.nix.installable import Installable

_SHOWN: Final = 10


def untracked_files(installable: Installable, *, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Paths below the flake's folder that git neither tracks nor ignores; none where git plays no part."""
    if not installable.directory or installable.flake.startswith("path:"):
        return ()
    # A CI's workspace belongs to another user than the container's; git would refuse to look at it.
    argv = ("git", "-c", "safe.directory=*", "ls-files", "--others", "--exclude-standard", "-z")
    try:
        listed = process.run(argv, environ=environ, cwd=str(installable.directory), timeout=10)
    except (process.NotStartedError, TimeoutError):
        return ()
    return tuple(name.decode(errors="surrogateescape") for name in listed.stdout.split(b"\0") if name)


def hint_untracked(installable: Installable, *, environ: Mapping[str, str]) -> str:
    """Which files Nix cannot see and how to mend it; empty if there are none."""
    files = untracked_files(installable, environ=environ)
    if not files:
        return ""
    shown = " ".join(shlex.quote(name.encode(errors="replace").decode()) for name in files[:_SHOWN])
    more = f" (and {len(files) - _SHOWN} more)" if len(files) > _SHOWN else ""
    return f"Nix does not see files that git does not track: `git add --intent-to-add -- {shown}`{more}"
