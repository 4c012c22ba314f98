"""What a flake is locked to: the nodes of its lock as `nix flake metadata --json` prints them, and those that no file pins.

https://nix.dev/manual/nix/latest/command-ref/new-cli/nix3-flake#lock-files
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flakeship.nix.addresses import without_secrets
from flakeship.outside.reading import json_of, read_file

_FORGES: Final = {"github": "github.com", "gitlab": "gitlab.com", "sourcehut": "git.sr.ht"}
_COMMIT: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")
_LIMIT: Final = 16 << 20
"""Bytes of a lock file: a large flake has some hundred nodes of 500 bytes."""


@dataclass(frozen=True, slots=True)
class LockedNode:
    """One input, by the names that lead to it (`nixpkgs`, `tools/nixpkgs`). `url` holds no secret.

    `revision` is the commit, empty for what is no repository; `nar_hash` the SHA-256 of its NAR archive in hex. Both are empty
    where the lock does not state them.
    """

    name: str
    url: str
    revision: str = ""
    nar_hash: str = ""


@dataclass(frozen=True, slots=True)
class FlakeLock:
    """The lock of a flake. `source_url` and `source_nar_hash`, in hex, are those of the flake itself. `unlocked` are
    names of inputs that a later run may find changed.

    `unlocked` is None where nobody can tell: the source is not in the store of this machine.
    """

    nodes: tuple[LockedNode, ...] = ()
    source_url: str = ""
    source_nar_hash: str = ""
    unlocked: tuple[str, ...] | None = None


def read_lock(document: Mapping[str, Any]) -> FlakeLock:
    """Read the answer of `nix flake metadata`, and compare it with the flake.lock of the source, where that is at hand."""
    locks = _object(document.get("locks"))
    found = dict(_nodes(locks))
    locked = _object(document.get("locked"))
    return FlakeLock(
        tuple(_node(name, node) for name, node in sorted(found.items()) if not _is_part(node)),
        _url(locked),
        nar_hash_in_hex(locked.get("narHash") or document.get("narHash")),
        _unlocked(document, found),
    )


def is_pinned_text(text: str, inputs: Collection[str], own: str = ".") -> bool:
    """Tell whether an installable as it is written gives the same each time: of the flake itself, which is written
    `own`, of one of its inputs, or by a commit or a NAR hash.

    What lies in another folder of this machine is held by nothing.
    """
    flake = text.partition("#")[0]
    if text.startswith("/nix/store/") or flake == own:
        return True
    if _is_folder(flake):
        below = flake in ("", ".") or (flake.startswith("./") and ".." not in flake.split("/"))
        return (below and own in ("", ".")) or "narHash=" in flake
    return flake.removeprefix("flake:") in inputs or bool(_COMMIT.search(flake)) or "narHash=" in flake


def _is_folder(flake: str) -> bool:
    return flake in ("", ".") or flake.startswith(("./", "../", "/", "path:"))


def nar_hash_in_hex(said: Any) -> str:
    """Return the hex digits of `sha256-BASE64=`; empty for anything else."""
    if not isinstance(said, str) or not said.startswith("sha256-"):
        return ""
    try:
        data = base64.b64decode(said.removeprefix("sha256-"), validate=True)
    except binascii.Error:
        return ""
    return data.hex() if len(data) == 32 else ""


def _nodes(locks: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each node once, under the shortest of its names and of these the first. The root is the flake itself."""
    nodes = _object(locks.get("nodes"))
    root = str(locks.get("root", "root"))
    seen, level = {root}, [("", root)]
    while level:
        following: list[tuple[str, str]] = []
        for name, key in level:
            if name:
                yield name, _object(nodes.get(key))
            inputs = _object(_object(nodes.get(key)).get("inputs"))
            for each, target in sorted(inputs.items()):
                # a list is a path of names: the input follows another, which has a node
                if isinstance(target, str) and target not in seen and target in nodes:
                    seen.add(target)
                    following.append((f"{name}/{each}" if name else each, target))
        level = following


def _is_part(node: Mapping[str, Any]) -> bool:
    """Whether an input is a folder of the flake that names it, by a relative path: then it is pinned with that."""
    locked = _object(node.get("locked"))
    return locked.get("type") == "path" and not str(locked.get("path", "/")).startswith("/")


def _node(name: str, node: Mapping[str, Any]) -> LockedNode:
    locked = _object(node.get("locked"))
    return LockedNode(name, _url(locked), _text(locked.get("rev")), nar_hash_in_hex(locked.get("narHash")))


def _url(locked: Mapping[str, Any]) -> str:
    """Where it is from, as other tools read it: `git+https://github.com/NixOS/nixpkgs`, without the commit."""
    kind = _text(locked.get("type"))
    if kind in _FORGES:
        host = _text(locked.get("host")) or _FORGES[kind]
        return f"git+https://{host}/{_text(locked.get('owner'))}/{_text(locked.get('repo'))}"
    url = _text(locked.get("url"))
    if kind in ("git", "hg"):
        return without_secrets(url if url.startswith(f"{kind}+") else f"{kind}+{url}")
    if kind == "path":
        return f"path:{_text(locked.get('path'))}"
    return without_secrets(url)


def _unlocked(document: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...] | None:
    path = Path(_text(document.get("path")))
    if not path.is_absolute() or not path.is_dir():
        return None
    subfolder = _text(_object(document.get("resolved")).get("dir"))
    written: dict[str, Any] = {}
    try:
        written = dict(_nodes(_object(json_of(read_file(path / subfolder / "flake.lock", _LIMIT)))))
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        return None
    return tuple(
        name
        for name, node in sorted(found.items())
        if not _is_part(node)
        and (
            _object(_object(written.get(name)).get("locked")) != _object(node.get("locked"))
            or not _pinned(node)
        )
    )


def _pinned(node: Mapping[str, Any]) -> bool:
    locked = _object(node.get("locked"))
    return bool(_text(locked.get("rev")) or _text(locked.get("narHash")))


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
