"""Derivations of the store, many at once: read the JSON of `nix derivation show` in the forms of Nix 2.8, 2.26 and 2.34."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from flakeship.errors import BuildError
from flakeship.nix.command import Nix
from flakeship.store_paths import STORE, name_of, name_of_derivation, store_path_of

_BATCH: Final = 200
"""Derivations in one call: each has 5 to 100 KB of JSON, and its path 80 bytes of a command line."""

_KEPT: Final = frozenset(
    {
        *("name", "pname", "version", "src", "srcs", "patches", "url", "urls", "rev"),
        *("outputHash", "outputHashAlgo", "outputHashMode", "postFetch"),
    }
)
"""The attributes that are kept: all of them would take 10 KB a derivation."""


@dataclass(frozen=True, slots=True)
class DerivationFile:
    """A derivation as it lies in the store. `outputs` are store paths by name, empty where only a build can tell them.

    `fetchers` are the derivations among its inputs that are called like its sources and patches, and may have fetched them.
    `attributes` holds those of its environment, or of its structured attributes, that say what it is made from.
    """

    path: str
    outputs: Mapping[str, str]
    fetchers: tuple[str, ...]
    attributes: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Return an attribute; empty where it is missing or no text."""
        value = self.attributes.get(name, "")
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of words: an array of structured attributes, or a text with blanks between them."""
        value = self.attributes.get(name, "")
        words = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
        return tuple(word for word in words if isinstance(word, str) and word)

    def named(self, *names: str) -> Iterator[str]:
        """Yield the store paths that attributes name, each as often as they do; without names those of all sources and patches."""
        for name in names or ("src", "srcs", "patches"):
            yield from filter(None, map(store_path_of, self.texts(name)))


def derivation_files(nix: Nix, paths: Iterable[str]) -> dict[str, DerivationFile]:
    """Return those of the derivations that the store holds. Others are left out, and so are those that Nix can't show."""
    there = sorted({path for path in paths if path.endswith(".drv") and Path(path).exists()})
    batches = (there[start : start + _BATCH] for start in range(0, len(there), _BATCH))
    return {found.path: found for batch in batches for found in _shown(nix, batch)}


def _shown(nix: Nix, paths: Sequence[str]) -> Iterator[DerivationFile]:
    """Ask for all at once, and if that fails for each half: one that is not valid costs itself alone."""
    verb = "derivation show" if nix.version >= (2, 20) else "show-derivation"
    try:
        found = tuple(read_derivations(nix.query(verb, "--", *paths)))
    except BuildError:
        if len(paths) == 1:
            return
        middle = len(paths) // 2
        yield from _shown(nix, paths[:middle])
        yield from _shown(nix, paths[middle:])
    else:
        yield from found


def read_derivations(document: Any) -> Iterator[DerivationFile]:
    """Read the object that Nix prints. One in an unknown form is left out."""
    if not isinstance(document, dict):
        return
    entries = document.get("derivations", document)  # 2.34 nests them
    for path, entry in entries.items() if isinstance(entries, dict) else ():
        try:
            yield _read(_whole(path), entry)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            continue


def _read(path: str, entry: Mapping[str, Any]) -> DerivationFile:
    environ = entry.get("env") or {}
    structured = entry.get("structuredAttrs") or json.loads(environ.get("__json") or "{}")
    attributes = {name: value for name, value in {**environ, **structured}.items() if name in _KEPT and value}
    attributes.setdefault("name", entry.get("name") or "")
    outputs = {name: _whole(output.get("path") or "") for name, output in entry["outputs"].items()}
    inputs = (entry["inputDrvs"] if "inputDrvs" in entry else entry["inputs"]["drvs"]).keys()
    made = DerivationFile(path, outputs, (), attributes)
    wanted = {name_of(path) for path in made.named()}
    fetchers = (whole for each in inputs if name_of_derivation(whole := _whole(each)) in wanted)
    return replace(made, fetchers=tuple(sorted(fetchers)))


def _whole(path: str) -> str:
    """The path with its folder: from 2.32 on Nix writes base names."""
    return path if not path or path.startswith(STORE) else STORE + path
