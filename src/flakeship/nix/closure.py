"""The closure of a store path: read the JSON of `nix path-info` in the forms of Nix 2.8, 2.26 and 2.34."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

from flakeship.errors import BuildError
from flakeship.nix.command import Nix

_FORMATTED: Final = (2, 33)
_BATCH: Final = 1000
"""Paths in one command line, with 40 to 250 bytes each: Linux takes 128 KiB a word and 2 MiB in all."""


@dataclass(frozen=True, slots=True)
class PathInfo:
    """What the store knows of a valid path. `nar_size` is in bytes; `references` does not hold the path itself.

    `nar_hash` is the SHA-256 of its NAR archive in the SRI spelling, `sha256-BASE64=`.
    """

    path: str
    nar_hash: str
    nar_size: int
    references: tuple[str, ...]
    deriver: str = ""


def closure(nix: Nix, path: str) -> tuple[PathInfo, ...]:
    """Return `path` and all paths that it needs at run time.

    References come before the paths that refer to them, in an order that is the same on every machine.
    """
    # Nix 2.33 and newer ask for the format by name; older versions do not know the flag.
    form = ("--json-format", "1") if nix.version >= _FORMATTED and nix.version < (2, 90) else ()
    return read_closure(nix.query("path-info", "--json", *form, "--recursive", "--", path))


def closure_of_all(nix: Nix, paths: Sequence[str]) -> tuple[PathInfo, ...]:
    """Return these paths, which are valid here, and all that they need at run time, in any order. No cache is asked.

    BuildError where one of them is not valid.
    """
    form = ("--json-format", "1") if nix.version >= _FORMATTED and nix.version < (2, 90) else ()
    words = ("--json", *form, "--option", "substitute", "false", "--recursive", "--")
    found: dict[str, PathInfo] = {}
    for start in range(0, len(paths), _BATCH):
        document = nix.query("path-info", *words, *paths[start : start + _BATCH])
        found |= {each.path: each for each in _entries(document)}
    return tuple(found.values())


def known_paths(nix: Nix, paths: Iterable[str]) -> tuple[PathInfo, ...]:
    """Return what the store knows of those of `paths` that are valid in it; nothing is built, and no cache is asked."""
    form = ("--json-format", "1") if nix.version >= _FORMATTED and nix.version < (2, 90) else ()
    asked = sorted({path for path in paths if Path(path).exists() or Path(path).is_symlink()})
    words = ("--json", *form, "--option", "substitute", "false", "--")
    found: list[PathInfo] = []
    for start in range(0, len(asked), _BATCH):
        document = nix.query("path-info", *words, *asked[start : start + _BATCH])
        found += _entries(document, valid_only=True)
    return tuple(found)


def read_closure(document: Any) -> tuple[PathInfo, ...]:
    """Read an array of objects with `path`, or an object with paths for keys. BuildError for an invalid path."""
    return in_order(_entries(document))


def in_order(entries: Iterable[PathInfo]) -> tuple[PathInfo, ...]:
    """Sort a whole closure as `closure` does. BuildError where a path of it is missing."""
    paths = {entry.path: entry for entry in entries}
    graph = {path: paths[path].references for path in sorted(paths)}
    try:
        return tuple(paths[path] for path in TopologicalSorter(graph).static_order())
    except (CycleError, KeyError) as error:
        raise BuildError(
            f"the store's database is inconsistent: {error}",
            hint="run `nix-store --verify --check-contents --repair`",
        ) from error


def _entries(document: Any, *, valid_only: bool = False) -> Iterator[PathInfo]:
    items: Iterable[tuple[str, Any]] = (
        document.items() if isinstance(document, dict) else ((entry["path"], entry) for entry in document)
    )
    for path, entry in items:
        if entry is None or entry.get("valid") is False or "narHash" not in entry:
            if valid_only:
                continue
            raise BuildError(
                f"{path} is not in the store", hint="build it first, or let Nix copy it from a cache"
            )
        # Every path is named by many: each has one text
        references = tuple(sorted(sys.intern(each) for each in set(entry["references"]) - {path}))
        yield PathInfo(
            sys.intern(path), entry["narHash"], entry["narSize"], references, entry.get("deriver") or ""
        )
