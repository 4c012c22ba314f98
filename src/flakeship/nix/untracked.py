"""Files that git does not track. Nix copies only tracked files, so a build fails as if the others did not exist."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from flakeship import process
from flakeship.confinement import variables
from flakeship.errors import ResourceError
from flakeship.nix.installable import Installable
from flakeship.store_paths import whole_store_path

_SHOWN: Final = 10
_ABSENT: Final = re.compile(
    r"no such file|not found|not_found|does(?:n't| not) exist|(?:can'?t|cannot|can not|couldn't|could not|unable to|failed to) "
    r"(?:stat|open|find|read|access|load|resolve|import)|not tracked|missing|no rule to make|no module named|is not in std",
    re.IGNORECASE,
)
_QUOTES: Final = "'\"`\u2018\u2019"


def untracked_files(installable: Installable, *, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the paths below the flake's folder that git neither tracks nor ignores, but for links into the store such as `result`.

    There are none if the flake is not local, or is read without git (`path:`), or git does not run.
    """
    if not installable.directory or installable.flake.startswith("path:"):
        return ()
    names = _listed_by_git(installable.directory, "--others", "--exclude-standard", environ=environ)
    return tuple(name for name in names if not whole_store_path(installable.directory / name))


def _listed_by_git(folder: Path, *which: str, environ: Mapping[str, str]) -> list[str]:
    """Return the files that `git ls-files` lists in a folder, or in all of its repository with `:/`; none if git does not run."""
    # The workspace of a CI job often belongs to another user than the container's, and git refuses to read it then:
    # https://git-scm.com/docs/git-config#Documentation/git-config.txt-safedirectory
    argv = (*variables.GIT_COMMAND, "-c", "safe.directory=*", "ls-files", "-z", *which)
    try:
        listed = process.run(argv, environ=variables.GIT.of(environ), cwd=str(folder), timeout=10)
    except (process.NotStartedError, ResourceError, TimeoutError):
        return []
    return [name.decode(errors="surrogateescape") for name in listed.stdout.split(b"\0") if name]


def hint_untracked(installable: Installable, told: str, *, environ: Mapping[str, str]) -> str:
    """Return a hint with the untracked files that `told` names and the command that adds them; empty if it names none.

    `told` are the words of a failure: an error, the end of a log. A line counts that speaks of something that is not there:
    a compiler's complaint about another file of the same name does not count.
    """
    absent = lines_about_absence(told)
    untracked = untracked_files(installable, environ=environ)
    files = [name for name in untracked if is_named(name, absent)]
    if not files:
        return ""
    where = _folder_for_git(installable)
    assert installable.directory
    if not _listed_by_git(installable.directory, ":/", environ=environ):
        return (
            f"run `git{where} add .`, after what is built (image.tar, result) is named in .gitignore: Nix does not see files that git "
            "does not track, and it tracks none here yet"
        )
    kinds = {".nix", *(PurePosixPath(name).suffix for name in files)}
    others = [name for name in untracked if name not in files and PurePosixPath(name).suffix in kinds]
    also = f", such as {_listed(others)} too" if others else ""
    return f"run `git{where} add --intent-to-add -- {_listed(files, '`')}: Nix does not see files that git does not track{also}"


def _folder_for_git(installable: Installable) -> str:
    """The option by which git takes paths below the flake's folder; empty where that is the working folder."""
    assert installable.directory
    folder = os.path.relpath(installable.directory, os.path.realpath(installable.cwd))
    return "" if folder == "." else f" -C {shlex.quote(folder)}"


def _listed(names: Sequence[str], end: str = "") -> str:
    """The first names, each as a shell takes it, with `end` behind them, and how many more there are."""
    shown = " ".join(shlex.quote(name.encode(errors="replace").decode()) for name in names[:_SHOWN])
    return shown + end + (f" (and {len(names) - _SHOWN} more)" if len(names) > _SHOWN else "")


def lines_about_absence(told: str) -> str:
    """Return the lines that speak of something that is not there."""
    return "\n".join(line for line in told.splitlines() if _ABSENT.search(line))


def is_named(path: str, text: str) -> bool:
    """Whether a text speaks of this file: of its path, its name, a folder of it that is missing as a whole, or of a module.

    `No module named 'helpers'` speaks of helpers.py. A name that is an ordinary word counts where it stands between quotes
    or slashes, or before a colon.
    """
    file = PurePosixPath(path)
    within = [str(folder) for folder in file.parents][:-1]
    modules = [file.stem] if file.suffix != ".nix" else []
    return _stands_in(file.name, text) or any(
        name in text and re.search(rf"(?<=[{_QUOTES}/]){re.escape(name)}(?=[{_QUOTES}])", text)
        for name in (*within, *modules)
    )


def _stands_in(name: str, text: str) -> bool:
    if name not in text:
        return False
    quoted = re.escape(name)
    if re.fullmatch("[A-Za-z-]+", name):
        return bool(
            re.search(rf"(?<=[{_QUOTES}/]){quoted}(?![\w-]|\.\w)|(?<![\w.-]){quoted}(?=[{_QUOTES}:/])", text)
        )
    return bool(re.search(rf"(?<![\w.-]){quoted}(?![\w-]|\.\w)", text))
