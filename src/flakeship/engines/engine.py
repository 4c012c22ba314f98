"""The addresses of the engines of a machine, found in the places and the order in which their own commands look."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Engine:
    """`name` is the scheme by which messages call the engine, `address` the URL of its API (`unix://…`, `tcp://…`).

    `hint` completes errors about an engine that does not answer. `environ` may hold docker's variables for TLS.
    """

    name: str
    address: str
    hint: str
    environ: Mapping[str, str]


def docker_engine(environ: Mapping[str, str], home: Path) -> Engine:
    """Return the engine of DOCKER_HOST, else of the first socket: the machine's, a rootless engine's, Docker Desktop's.

    If there is no socket either, the address is the one where docker would be.
    """
    sockets = [
        Path("/var/run/docker.sock"),
        *_runtime(environ, "docker.sock"),
        home / ".docker/run/docker.sock",
        home / ".docker/desktop/docker.sock",
    ]
    address = environ.get("DOCKER_HOST") or _first(sockets) or f"unix://{sockets[0]}"
    hint = (
        "start the engine, or say in DOCKER_HOST where it is; in a container, mount its socket: "
        "-v /var/run/docker.sock:/var/run/docker.sock"
    )
    secured = environ if "DOCKER_HOST" in environ else {}
    return Engine("docker-daemon", address, hint, secured)


def podman_service(environ: Mapping[str, str]) -> Engine | None:
    """Return podman's service at CONTAINER_HOST, else at the socket of the user or of the machine; None if there is none."""
    sockets = [*_runtime(environ, "podman/podman.sock"), Path("/run/podman/podman.sock")]
    address = environ.get("CONTAINER_HOST") or _first(sockets)
    hint = (
        "start podman's service (systemctl --user start podman.socket), or say in CONTAINER_HOST where it is"
    )
    return Engine("containers-storage", address, hint, {}) if address else None


def _runtime(environ: Mapping[str, str], name: str) -> list[Path]:
    folder = environ.get("XDG_RUNTIME_DIR")
    return [Path(folder, name)] if folder else []


def _first(sockets: list[Path]) -> str:
    return next((f"unix://{socket}" for socket in sockets if os.access(socket, os.W_OK)), "")
