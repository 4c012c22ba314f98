"""What the files of store paths carry, read where they lie on this machine: of a program its sections alone."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, TypeAlias

from flakeship.sbom.carried.auditable import crates_of
from flakeship.sbom.carried.dist_info import ENDING, MOST, package_in
from flakeship.sbom.carried.elf import HEADER, Elf, ReadAt
from flakeship.sbom.carried.go_build_info import modules_of
from flakeship.sbom.carried.parts import Carried, Findings, UnreadableError, together

Carrier: TypeAlias = Literal["program", "package"]
"""A program or a library; the description of a Python package."""

LARGEST: Final = 1 << 30
"""Bytes of a program that is looked at, at most."""
LIMIT: Final = 20.0
"""Seconds for all store paths of an image, after which the rest is left out."""
MOST_PARTS: Final = 100_000
"""Parts of all files of an image: what lists more is taken for damaged."""
_LIBRARY: Final = re.compile(r".*\.(?:so(?:\.[0-9.]+)?|node)")
_NO_PROGRAMS: Final = (
    ".py",
    ".pyc",
    ".h",
    ".html",
    ".mo",
    ".gz",
    ".js",
    ".json",
    ".pm",
    ".txt",
    ".png",
    ".svg",
    ".a",
    ".o",
)


def carrier(name: str, *, executable: bool, size: int) -> Carrier | None:
    """Tell by its name, its mode and its size in bytes what a file may be. None for one that can't carry anything."""
    if name.endswith(ENDING):
        return "package"
    if name.endswith(_NO_PROGRAMS) or not HEADER <= size <= LARGEST:
        return None
    return "program" if executable or _LIBRARY.fullmatch(name) else None


def carried_by(kind: Carrier, read_at: ReadAt) -> Carried | None:
    """Return what a file carries, None for nothing. UnreadableError where it begins as one that does, and is damaged."""
    if kind == "package":
        return package_in(read_at(0, MOST))
    elf = Elf.of(read_at)
    if elf is None:
        return None
    found = [each for each in (crates_of(elf), modules_of(elf)) if each]
    return together(found) if found else None


def found_on_disk(
    paths: Iterable[str], *, root: str = "", limit: float = LIMIT, clock: Callable[[], float] = time.monotonic
) -> Findings:
    """Look at the files of those store paths that are on this machine, in the store of the file system at `root`.

    Nothing is raised: what can't be read is left out, and so is what is not reached in `limit` seconds.
    """
    found, end, parts = Findings(), clock() + limit, 0
    for path in sorted(set(paths)):
        for name, kind in _carriers(root + path):
            if clock() > end:
                return found
            try:
                carried = _carried_at(name, kind)
                parts += len(carried.needs) if carried else 0
                if parts > MOST_PARTS:
                    raise UnreadableError("the image lists too many parts")
            except (UnreadableError, OSError):
                found.damaged(name.removeprefix(root))
                continue
            if carried:
                found.note(path, carried)
        if os.path.lexists(root + path):
            found.read.add(path)
    return found


def _carried_at(name: str, kind: Carrier) -> Carried | None:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return carried_by(kind, lambda offset, size: os.pread(file, size, offset))
    finally:
        os.close(file)


def _carriers(path: str) -> Iterator[tuple[str, Carrier]]:
    """The files of a store path that may carry something, in the same order on every machine. No link is followed."""
    try:
        about = os.lstat(path)
    except OSError:
        return
    if stat.S_ISREG(about.st_mode):
        if kind := carrier(path, executable=bool(about.st_mode & 0o111), size=about.st_size):
            yield path, kind
        return
    ahead = [path] if stat.S_ISDIR(about.st_mode) else []
    while ahead:
        folder = ahead.pop()
        try:
            with os.scandir(folder) as entries:
                there = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in there:
            if entry.is_dir(follow_symlinks=False):
                ahead.append(entry.path)
            elif not entry.name.endswith(_NO_PROGRAMS) and entry.is_file(follow_symlinks=False):
                about = entry.stat(follow_symlinks=False)
                if kind := carrier(entry.path, executable=bool(about.st_mode & 0o111), size=about.st_size):
                    yield entry.path, kind
