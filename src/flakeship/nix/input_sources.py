"""Where the store has the sources of a flake's inputs, and which of them not everybody may read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from flakeship.errors import Error
from flakeship.nix.command import Nix

_FROM_A_FOLDER: Final = "path"
_DEEP: Final = 30


@dataclass(frozen=True, slots=True)
class InputSource:
    """An input by the names that lead to it, `nixpkgs` or `home/nixpkgs`, and its store path.

    `private` says that it came by ssh or from this machine. What was fetched with a token looks like what is public.
    """

    name: str
    path: str
    private: bool


def input_sources(
    nix: Nix, flake: str, *, cwd: str, metadata: Callable[[str], Mapping[str, Any]] | None = None
) -> list[InputSource]:
    """Return the inputs of a flake, also those of its inputs; none where Nix can't tell. Nothing is fetched or copied.

    `metadata` gives the answer of `nix flake metadata` where it is asked for anyway.
    """
    try:
        document = (
            metadata(flake) if metadata else nix.query("flake metadata", "--json", "--", flake, cwd=cwd)
        )
        nodes = document["locks"]
        if len(nodes["nodes"]) < 2:
            return []
        tree = nix.query("flake archive", "--json", "--dry-run", "--", flake, cwd=cwd)
        return list(_sources(tree, nodes["nodes"], nodes["root"], "", _DEEP))
    except (Error, KeyError, TypeError, AttributeError):
        return []


def _sources(
    tree: Mapping[str, Any], nodes: Mapping[str, Any], key: str, above: str, left: int
) -> Iterator[InputSource]:
    for name, below in tree["inputs"].items() if left else ():
        found = _key(nodes, key, name)
        whole = f"{above}/{name}" if above else name
        locked = nodes.get(found, {}).get("locked", {})
        if below.get("path"):
            yield InputSource(whole, below["path"], _is_private(locked))
        yield from _sources(below, nodes, found, whole, left - 1)


def _key(nodes: Mapping[str, Any], key: str, name: str) -> str:
    """Return the node of an input. One that follows another has the path to that from the root."""
    found: str | Sequence[str] = nodes.get(key, {}).get("inputs", {}).get(name, "")
    if isinstance(found, str):
        return found
    reached = "root"
    for part in found:
        reached = _key(nodes, reached, part)
    return reached


def _is_private(locked: Mapping[str, Any]) -> bool:
    kind = str(locked.get("type", ""))
    scheme = urlsplit(str(locked.get("url", ""))).scheme
    return kind == _FROM_A_FOLDER or scheme in ("ssh", "git+ssh", "hg+ssh", "file")
