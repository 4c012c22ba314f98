"""What Nix's store knows of paths and of derivations, asked for many at once: JSON as Nix 2.8 to 2.34 print it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flakeship.errors import BuildError
from flakeship.nix.command import Nix
from flakeship.store_paths import STORE

_AT_ONCE: Final = 1000
"""Paths of one command line, which has room for 128 KiB at least."""

_FORMATTED: Final = (2, 33)
_DETERMINATE: Final = (2, 90)


@dataclass(frozen=True, slots=True)
class StoredPath:
    """A valid path. `nar_hash` is written as this Nix writes it, `references` are whole paths, also the path itself.

    `ca` is empty for what is addressed by its inputs; `sigs` are `KEYNAME:BASE64`.
    """

    path: str
    nar_hash: str
    nar_size: int
    references: tuple[str, ...]
    deriver: str
    ca: str
    sigs: tuple[str, ...]

    @property
    def is_source(self) -> bool:
        """Whether evaluating put it into the store: a file of a flake, or a text. No derivation makes it."""
        return bool(self.ca) and not self.deriver


@dataclass(frozen=True, slots=True)
class Outputs:
    """The output paths of a derivation that are known before it is built. `fetched` tells whether it only fetches what is fixed."""

    paths: tuple[str, ...]
    fetched: bool


def valid_paths(nix: Nix, paths: Iterable[str]) -> list[str]:
    """Return those that the store has. BuildError where Nix fails."""
    return [each.path for each in _path_infos(nix, list(paths))]


def closure_of(nix: Nix, paths: Collection[str]) -> list[StoredPath]:
    """Return those of these paths that the store has, and all that they need at run time, in any order. BuildError where Nix fails.

    It mostly has all of them, and Nix is asked once.
    """
    try:
        found = list(_path_infos(nix, list(paths), "--recursive"))
    except BuildError:
        found = list(_path_infos(nix, valid_paths(nix, paths), "--recursive"))
    return list({each.path: each for each in found}.values())


def _path_infos(nix: Nix, paths: Sequence[str], *options: str) -> Iterator[StoredPath]:
    form = ("--json-format", "1") if _FORMATTED <= nix.version < _DETERMINATE else ()
    for some in _some(paths):
        document = nix.query("path-info", "--json", *form, *options, "--", *some)
        entries: Iterable[tuple[str, Any]] = (
            document.items() if isinstance(document, dict) else ((entry["path"], entry) for entry in document)
        )
        for path, entry in entries:
            if entry and entry.get("valid") is not False and "narHash" in entry:
                yield _stored(path, entry)


def _some(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    return (paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE))


def _stored(path: str, entry: Mapping[str, Any]) -> StoredPath:
    ca = entry.get("ca") or ""
    return StoredPath(
        path,
        entry["narHash"],
        entry["narSize"],
        tuple(map(_whole, entry["references"])),
        _whole(entry.get("deriver") or ""),
        ca if isinstance(ca, str) else "",
        tuple(text for text in entry.get("signatures") or () if isinstance(text, str)),
    )


def outputs_of(nix: Nix, derivations: Sequence[str]) -> dict[str, Outputs]:
    """Return the outputs of derivations that the store has; one that it has not is left out."""
    verb = "derivation show" if nix.version >= (2, 20) else "show-derivation"
    found: dict[str, Outputs] = {}
    for some in _some(derivations):
        try:
            documents = [nix.query(verb, "--", *some)]
        except BuildError:
            documents = list(_one_by_one(nix, verb, some))
        for document in documents:
            for path, derivation in document.get("derivations", document).items():  # 2.34 nests them
                found[_whole(path)] = outputs_in(derivation)
    return found


def _one_by_one(nix: Nix, verb: str, derivations: Sequence[str]) -> Iterator[Any]:
    for each in derivations:
        try:
            yield nix.query(verb, "--", each)
        except BuildError:
            continue


def outputs_in(derivation: Mapping[str, Any]) -> Outputs:
    """Read the JSON of one derivation."""
    outputs = derivation["outputs"].values()
    paths = tuple(_whole(each["path"]) for each in outputs if each.get("path"))
    return Outputs(paths, fetched=any("hash" in each for each in outputs))


def _whole(path: str) -> str:
    """Newer versions leave out the folder of the store."""
    return path if not path or path.startswith("/") else STORE + path
