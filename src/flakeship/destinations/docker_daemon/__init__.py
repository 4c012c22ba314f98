"""`docker-daemon:[REFERENCE]`: the images of a Docker engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from flakeship.destinations.engine_target import EngineTarget, with_engine_suffix
from flakeship.destinations.image_name import names_from
from flakeship.destinations.kind import Defaults
from flakeship.destinations.options import DestinationOptions
from flakeship.destinations.protocol import Destination

SCHEMES: Final = ("docker-daemon",)
SYNTAX: Final = ("docker-daemon:[REFERENCE]",)


@dataclass(frozen=True)
class DockerImages(EngineTarget):
    """The engine that DOCKER_HOST names, else docker's context, else the first socket that is found."""

    @contextlib.contextmanager
    def open(self, options: DestinationOptions) -> Iterator[Destination]:
        """Connect to the engine. UnreachableError if none answers, UsageError if docker's context is not there."""
        from flakeship.destinations.docker_daemon.destination import EngineDestination
        from flakeship.destinations.withheld import checked, warn_of_zstd
        from flakeship.engines.engine import docker_engine
        from flakeship.events import Notice

        warn_of_zstd(options)
        engine = docker_engine(options.environ, options.home)
        if engine.remark:
            options.emit(Notice(engine.remark))
        with EngineDestination(engine, self.names, emit=options.emit) as destination:
            yield checked(destination, options)


def parse(text: str, defaults: Defaults, /) -> DockerImages:
    """Understand `docker-daemon:[REFERENCE]`; without a reference the image gets the names it has everywhere."""
    return DockerImages(names_from(text.partition(":")[2], text, defaults.references))


with_suffix = with_engine_suffix
