"""Whether what listens on loopback here can be reached by the Nix that substitutes, which may be a daemon elsewhere."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from flakeship.nix.command import Nix
from flakeship.nix.configuration import DAEMON_SOCKET, uses_daemon

_CREDENTIALS: Final = struct.Struct("3i")


def shares_loopback(nix: Nix, values: Mapping[str, Any]) -> bool:
    """Return True if Nix substitutes on this machine, and in this container. `values` are those of `settings`."""
    if nix.store:
        return False
    if not uses_daemon(nix, values):
        return True
    store = nix.environ.get("NIX_REMOTE") or str(values.get("store", "auto"))
    if store in ("auto", "daemon", "unix://"):
        return not _is_outside(Path(nix.environ.get("NIX_DAEMON_SOCKET_PATH", str(DAEMON_SOCKET))))
    return False


def _is_outside(path: Path) -> bool:
    """Whether a daemon runs outside of this container: Linux then calls it by no number.

    A container has its own processes and, as a rule, its own loopback. https://man7.org/linux/man-pages/man7/unix.7.html,
    SO_PEERCRED; https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(path))
            number: int = _CREDENTIALS.unpack(
                connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
            )[0]
    except OSError:
        return False  # then Nix does not reach it either, and will tell
    return number == 0
