"""Where the engines of a machine listen: what their own commands look at, in their order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Engine:
    """`name` is how messages call it, `address` a URL; `environ` may hold docker's variables for TLS."""

    name: str
    address: str
    hint: str
    environ: Mapping[str, str]


def docker_engine(environ: Mapping[str, str], home: Path) -> Engine:
    """DOCKER_HOST, else the first socket that is there: the machine's, a rootless engine's, Docker Desktop's."""
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
    """CONTAINER_HOST, else the service's socket, of the user or of the machine; None where there is none."""
    sockets = [*_runtime(environ, "podman/podman.sock"), Path("/run/podman/podman.sock")]
    address = environ.get("CONTAINER_HOST") or _first(sockets)
    hint = (
        "start podman's service (systemctl --user start podman.socket), or say in CONTAINER_HOST where it is"
    )
    return Engine("containers-storage", address, hint, {}) if address else None


def tls_of(engine: Engine) -> Any:
    """What docker.APIClient wants to know of TLS, by DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."""
    from docker.utils import kwargs_from_env

    # without an environment the SDK would take the process's own
    return kwargs_from_env(environment=dict(engine.environ)).get("tls", False) if engine.environ else False


def _runtime(environ: Mapping[str, str], name: str) -> list[Path]:
    folder = environ.get("XDG_RUNTIME_DIR")
    return [Path(folder, name)] if folder else []


def _first(sockets: list[Path]) -> str:
    return next((f"unix://{socket}" for socket in sockets if os.access(socket, os.W_OK)), "")
