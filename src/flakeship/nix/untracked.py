"""Files that git does not track. Nix copies only tracked files, so a build fails as if the others did not exist."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from flakeship import process
from flakeship.confinement import variables
from flakeship.errors import ResourceError
from flakeship.nix.installable import Installable

_SHOWN: Final = 10


def untracked_files(installable: Installable, *, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths below the flake's folder that git neither tracks nor ignores.

    There are none if the flake is not local, or is read without git (`path:`), or git does not run.
    """
    if not installable.directory or installable.flake.startswith("path:"):
        return ()
    # The workspace of a CI job often belongs to another user than the container's, and git refuses to read it then:
    # https://git-scm.com/docs/git-config#Documentation/git-config.txt-safedirectory
    argv = (
        *variables.GIT_COMMAND,
        "-c",
        "safe.directory=*",
        "ls-files",
        "--others",
        "--exclude-standard",
        "-z",
    )
    try:
        listed = process.run(
            argv, environ=variables.GIT.of(environ), cwd=str(installable.directory), timeout=10
        )
    except (process.NotStartedError, ResourceError, TimeoutError):
        return ()
    return tuple(name.decode(errors="surrogateescape") for name in listed.stdout.split(b"\0") if name)


def hint_untracked(installable: Installable, *, environ: Mapping[str, str]) -> str:
    """Return a hint that names the untracked files and the command that adds them; empty if there are none."""
    files = untracked_files(installable, environ=environ)
    if not files:
        return ""
    shown = " ".join(shlex.quote(name.encode(errors="replace").decode()) for name in files[:_SHOWN])
    more = f" (and {len(files) - _SHOWN} more)" if len(files) > _SHOWN else ""
    return f"Nix does not see files that git does not track: `git add --intent-to-add -- {shown}`{more}"
