"""An image of a container engine of this machine, as the archive that the engine saves."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path

from flakeship.engines.engine import Engine, docker_engine, podman_service
from flakeship.errors import UnreachableError


def saved(
    form: str, name: str, *, environ: Mapping[str, str], home: Path, remark: Callable[[str], None]
) -> Generator[bytes, None, None]:
    """The archive of an image, piece by piece. `form` is the word before its name: docker-daemon, containers-storage.

    UsageError where the engine has no such image, UnreachableError where it does not answer.
    """
    from flakeship.engines.api import EngineApi

    engine = _engine(form, name, environ, home)
    if engine.remark:
        remark(engine.remark)
    api = EngineApi(engine)
    try:
        yield from api.save(name)
    finally:
        api.close()


def _engine(form: str, name: str, environ: Mapping[str, str], home: Path) -> Engine:
    if form == "docker-daemon":
        return docker_engine(environ, home)
    if service := podman_service(environ):
        return service
    raise UnreachableError(
        "podman's service has no socket here, and its storage is read by podman alone",
        hint=f"let podman write it: `podman save {name} | flakeship publish --source - REFERENCE`; "
        "or start the service (systemctl --user start podman.socket)",
    )
