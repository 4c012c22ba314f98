"""The addresses of the engines of a machine, found in the places and the order in which their own commands look."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flakeship.engines.docker_context import Context, chosen_context
from flakeship.errors import UsageError


@dataclass(frozen=True, slots=True)
class Engine:
    """`name` is the scheme by which messages call the engine, `address` the URL of its API (`unix://…`, `tcp://…`).

    `hint` completes errors about an engine that does not answer. `environ` may hold docker's variables for TLS.
    `remark` says why it is this one, where users may take another one for granted.
    """

    name: str
    address: str
    hint: str
    environ: Mapping[str, str]
    remark: str = ""


def docker_engine(environ: Mapping[str, str], home: Path) -> Engine:
    """Return the engine of DOCKER_HOST, else of docker's context, else of the first socket: the machine's, a rootless
    engine's, Docker Desktop's.

    If there is no socket either, the address is the one where docker would be. UsageError is raised for a context that is
    not there, and for an engine behind ssh.
    """
    sockets = [
        Path("/var/run/docker.sock"),
        *_runtime(environ, "docker.sock"),
        home / ".docker/run/docker.sock",
        home / ".docker/desktop/docker.sock",
    ]
    # docs/decisions.md#dockers-context-is-followed
    context = None if environ.get("DOCKER_HOST") else chosen_context(environ, home)
    address = environ.get("DOCKER_HOST") or (context and context.address) or _first(sockets)
    address = address or f"unix://{sockets[0]}"
    hint = (
        "start the engine, or set DOCKER_HOST to its address; in a container, mount its socket: "
        "`-v /var/run/docker.sock:/var/run/docker.sock`"
    )
    if context and context.address:
        hint = f"start the engine of docker's context {context.name!r}, or choose another one: `docker context use default`"
    if address.startswith("ssh://"):
        raise UsageError(
            f"docker-daemon: the engine is at ssh://{address.rpartition('@')[2].removeprefix('ssh://')}, and flakeship does not speak ssh",
            hint="let docker's own command load it (`--to - | docker load`), or forward the socket: "
            "ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST, and DOCKER_HOST=unix:///tmp/docker.sock",
        )
    secured = environ if "DOCKER_HOST" in environ else _secured(context)
    return Engine("docker-daemon", address, hint, secured, _remark(context, address))


def _secured(context: Context | None) -> Mapping[str, str]:
    """Docker's variables for the certificates of a context."""
    if context is None or context.certificates is None:
        return {}
    return {
        "DOCKER_CERT_PATH": str(context.certificates),
        "DOCKER_TLS_VERIFY": "1" if context.verified else "",
    }


def _remark(context: Context | None, address: str) -> str:
    if context is None:
        return ""
    if context.address:
        return f"the engine is that of docker's context {context.name!r}, at {address}"
    return (
        f"docker's current context is {context.name!r}, of which this machine knows nothing more; the engine is "
        f"the one at {address}"
    )


def podman_service(environ: Mapping[str, str]) -> Engine | None:
    """Return podman's service at CONTAINER_HOST, else at the socket of the user or of the machine; None if no such socket exists.

    One behind ssh does not count, nor one of podman's connections: only podman's own command speaks to these.
    """
    if environ.get("CONTAINER_CONNECTION") and not environ.get("CONTAINER_HOST"):
        return None
    sockets = [*_runtime(environ, "podman/podman.sock"), Path("/run/podman/podman.sock")]
    address = environ.get("CONTAINER_HOST") or _first(sockets)
    if address.startswith("ssh://"):
        return None
    hint = "start podman's service (`systemctl --user start podman.socket`), or set CONTAINER_HOST to its address"
    return Engine("containers-storage", address, hint, {}) if address else None


def _runtime(environ: Mapping[str, str], name: str) -> list[Path]:
    folder = environ.get("XDG_RUNTIME_DIR")
    return [Path(folder, name)] if folder else []


def _first(sockets: list[Path]) -> str:
    return next((f"unix://{socket}" for socket in sockets if os.access(socket, os.W_OK)), "")
