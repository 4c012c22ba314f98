"""The destinations of this machine: archives, and what its container engines run images from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from flakeship import events
from flakeship.settings import Settings
from flakeship.sinks.archive_file import ArchiveDestination, OciArchiveDestination
from flakeship.sinks.delivery import Destination
from flakeship.sinks.docker_daemon.destination import EngineDestination
from flakeship.sinks.docker_daemon.engine import docker_engine, podman_service
from flakeship.sinks.nothing import NothingDestination
from flakeship.sinks.podman import PodmanDestination
from flakeship.targets import Archive, Storage
from flakeship.world import World


@contextlib.contextmanager
def local_destination(target: Archive | Storage, settings: Settings, world: World) -> Iterator[Destination]:
    """Checked, and ended with the block: half an archive and a half-loaded image leave nothing."""
    if settings.compression == "zstd" and not (isinstance(target, Archive) and target.form == "oci-archive"):
        world.emit(
            events.Warned(
                "docker before 23 can't load layers in zstd",
                "use `compression: gzip`, or `none` to load faster",
            )
        )
    with _destination(target, world) as destination:
        if settings.dry_run:
            yield NothingDestination(destination.name, emit=world.emit)
        else:
            destination.check()
            yield destination


def _destination(
    target: Archive | Storage, world: World
) -> ArchiveDestination | EngineDestination | PodmanDestination:
    match target:
        case Archive(Path() as path, "oci-archive", names):
            return OciArchiveDestination(path, names, emit=world.emit)
        case Archive(path, form, names):
            return ArchiveDestination(path, form, names, stdout=world.stdout, emit=world.emit)
        case Storage("docker", names):
            return EngineDestination(docker_engine(world.environ, world.home), names, emit=world.emit)
        case Storage(_, names):
            return PodmanDestination(
                podman_service(world.environ),
                names,
                environ=world.environ,
                temporary=world.temporary,
                emit=world.emit,
            )
