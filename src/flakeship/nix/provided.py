"""Who made what is in the store: this machine, or whoever signed what a cache provided; as far as the store knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from flakeship.nix.command import Nix

_FORMATTED: Final = (2, 33)


@dataclass(frozen=True, slots=True)
class Provided:
    """What the store knows of how a path came into it. `built_here` is True for what this store built itself, in whichever run.

    `keys` are the names of the keys that signed it: what is not built here was signed by one of them. `statement` is the
    record that some versions of Nix keep of its making, as it is.
    """

    built_here: bool
    keys: tuple[str, ...] = ()
    statement: Any = None


def provided(nix: Nix, paths: Iterable[str]) -> dict[str, Provided]:
    """Return what the store knows of these paths; those that are not in it are left out. BuildError where Nix does not answer."""
    form = ("--json-format", "1") if _FORMATTED <= nix.version < (2, 90) else ()
    words = ("--json", *form, "--option", "substitute", "false", "--")
    return read_provided(nix.query("path-info", *words, *sorted(set(paths))))


def read_provided(document: Any) -> dict[str, Provided]:
    """Read an array of objects with `path`, or an object with paths for keys."""
    entries = (
        document.items()
        if isinstance(document, dict)
        else ((str(each.get("path")), each) for each in document if isinstance(each, dict))
    )
    return {
        path: _of(entry)
        for path, entry in entries
        if isinstance(entry, dict) and entry.get("valid") is not False and "narHash" in entry
    }


def _of(entry: dict[str, Any]) -> Provided:
    said = entry.get("signatures")
    signatures = [each for each in said if isinstance(each, str)] if isinstance(said, list) else []
    keys = dict.fromkeys(each.partition(":")[0] for each in signatures)
    return Provided(entry.get("ultimate") is True, tuple(keys), entry.get("provenance"))
