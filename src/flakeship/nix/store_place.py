"""Where Nix puts what it builds: an image is read from /nix/store, and a store may be in another folder or on another machine.

https://nix.dev/manual/nix/latest/store/types/
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from flakeship.errors import UsageError
from flakeship.nix.command import Nix
from flakeship.nix.configuration import DAEMON_SOCKET
from flakeship.outside.mounted import as_root_hint

STATE: Final = Path("/nix/var/nix")
_STORE: Final = "/nix/store"
_ELSEWHERE: Final = frozenset({"ssh", "ssh-ng", "s3", "http", "https", "file", "dummy"})
"""Stores on other machines, and stores that hold archives in place of files."""

_HERE: Final = "take `store` out of nix-config and nix.conf, and unset NIX_REMOTE"


def check_store(nix: Nix, values: Mapping[str, Any]) -> None:
    """Raise UsageError if Nix would build into a store whose paths are not where they say.

    `values` are the settings of this Nix; Nix itself lays `store` over NIX_REMOTE.
    """
    # docs/decisions.md#a-store-elsewhere-is-refused
    store = values.get("store", "auto")
    if not isinstance(store, str):  # a form of later versions
        return
    base, _, query = store.partition("?")
    scheme, colon, _ = base.partition("://")
    if colon and scheme in _ELSEWHERE:
        raise UsageError(
            f"Nix would build into the store {scheme}://…, from which no image can be read",
            hint=f"{_HERE}; or build there, copy the result here (nix copy --from), and name its path in `source`",
        )
    folder = _folder(nix, base, parse_qs(query)) if not colon or scheme in ("local", "unix") else ""
    if folder:
        raise UsageError(
            f"Nix would build into the store below {folder}, but images are read from {_STORE}",
            hint=as_root_hint(nix.environ)
            or f"{_HERE}; or build it by hand (nix build), and name the archive below that folder in `source`",
        )


def _folder(nix: Nix, base: str, parameters: Mapping[str, list[str]]) -> str:
    """Return the folder in which the store really is; empty where that is /nix/store."""
    if "://" not in base and "/" in base:
        return _other(base, "/")
    root = parameters.get("root", [""])[-1]
    if root and _other(root, "/"):
        return root
    real = parameters.get("real", [""])[-1]
    if real and not root:
        return _other(real, nix.environ.get("NIX_STORE_DIR", _STORE))
    return _own_root(nix) if base in ("auto", "") and not parameters else ""


def _other(path: str, usual: str) -> str:
    return "" if os.path.normpath(path) == os.path.normpath(usual) else path


def _own_root(nix: Nix) -> str:
    """Return the folder that Nix takes by itself where a user finds no /nix and no daemon.

    https://github.com/NixOS/nix/blob/master/src/libstore/store-registration.cc
    """
    given = {"NIX_STORE_DIR", "NIX_STATE_DIR", "NIX_DAEMON_SOCKET_PATH"} & nix.environ.keys()
    if given or os.geteuid() == 0 or STATE.exists() or DAEMON_SOCKET.exists():
        return ""
    data = nix.environ.get("XDG_DATA_HOME") or f"{nix.environ.get('HOME', '')}/.local/share"
    return f"{data}/nix/root"
