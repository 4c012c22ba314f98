"""The destinations of this machine: archives, and what its container engines run images from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from flakeship import events
from flakeship.commands.runtime import Runtime
from flakeship.destinations.archive.file import ArchiveDestination, OciArchiveDestination
from flakeship.destinations.docker_daemon.destination import EngineDestination
from flakeship.destinations.docker_daemon.engine import docker_engine, podman_service
from flakeship.destinations.grammar import Archive, Storage
from flakeship.destinations.podman import PodmanDestination
from flakeship.destinations.protocol import Destination
from flakeship.destinations.withheld import NothingDestination
from flakeship.settings.declaration import Settings


@contextlib.contextmanager
def local_destination(
    target: Archive | Storage, settings: Settings, runtime: Runtime
) -> Iterator[Destination]:
    """Checked, and ended with the block: half an archive and a half-loaded image leave nothing."""
    if settings.compression == "zstd" and not (isinstance(target, Archive) and target.form == "oci-archive"):
        runtime.emit(
            events.Warned(
                "docker before 23 can't load layers in zstd",
                "use `compression: gzip`, or `none` to load faster",
            )
        )
    with _destination(target, runtime) as destination:
        if settings.dry_run:
            yield NothingDestination(destination.name, emit=runtime.emit)
        else:
            destination.check()
            yield destination


def _destination(
    target: Archive | Storage, runtime: Runtime
) -> ArchiveDestination | EngineDestination | PodmanDestination:
    match target:
        case Archive(Path() as path, "oci-archive", names):
            return OciArchiveDestination(path, names, emit=runtime.emit)
        case Archive(path, form, names):
            return ArchiveDestination(path, form, names, stdout=runtime.stdout, emit=runtime.emit)
        case Storage("docker", names):
            return EngineDestination(docker_engine(runtime.environ, runtime.home), names, emit=runtime.emit)
        case Storage(_, names):
            return PodmanDestination(
                podman_service(runtime.environ),
                names,
                environ=runtime.environ,
                temporary=runtime.temporary,
                emit=runtime.emit,
            )
