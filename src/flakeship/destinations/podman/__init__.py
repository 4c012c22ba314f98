"""`containers-storage:[REFERENCE]`: the images of podman."""

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

SCHEMES: Final = ("containers-storage",)
SYNTAX: Final = ("containers-storage:[REFERENCE]",)


@dataclass(frozen=True)
class PodmanImages(EngineTarget):
    """Podman's storage, reached by its service or its command."""

    @contextlib.contextmanager
    def open(self, options: DestinationOptions) -> Iterator[Destination]:
        """Find podman. UnreachableError if there is neither a service that answers nor the command."""
        from flakeship.destinations.podman.destination import PodmanDestination
        from flakeship.destinations.withheld import checked, warn_of_zstd
        from flakeship.engines.engine import podman_service

        warn_of_zstd(options)
        with PodmanDestination(
            podman_service(options.environ),
            self.names,
            environ=options.environ,
            temporary=options.temporary,
            emit=options.emit,
        ) as destination:
            yield checked(destination, options)


def parse(text: str, defaults: Defaults, /) -> PodmanImages:
    """Understand `containers-storage:[REFERENCE]`; without a reference the image gets the names it has everywhere."""
    return PodmanImages(names_from(text.partition(":")[2], text, defaults.references))


with_suffix = with_engine_suffix
