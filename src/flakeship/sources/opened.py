"""What every kind of source offers once it is open; each source module satisfies `Source`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from flakeship import events
from flakeship.image.model import Image, Layer, Platform

if TYPE_CHECKING:  # some sources alone are asked for these
    from flakeship.sources.blobs import RegistryImage
    from flakeship.sources.package import Package


class Opened(Protocol):
    """A source being read."""

    forward_only: bool
    """Layers come in the order of the stream, each to be read before the next; `image` is known after the last."""

    # docs/decisions.md#a-source-yields-layers-then-the-image
    def layers(self) -> Iterator[Layer]:
        """Each layer that the image needs, once; from a forward-only source perhaps some that it does not."""

    def image(self) -> Image:
        """Config, order of layers and what is claimed of them. NotAnImageError where they do not fit together."""


@runtime_checkable
class OpenedIndex(Opened, Protocol):
    """A source that holds one image for several platforms; `image` is the first of them."""

    annotations: Mapping[str, str]
    """Of the index."""

    def images(self) -> tuple[Image, ...]:
        """One a platform, in order."""


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What a source is asked for, and what it may need for it beside its path."""

    environ: Mapping[str, str] = field(default_factory=dict)
    emit: events.Emit = events.ignore
    package: Callable[[], Package] | None = None
    """Asks Nix about a result that is a plain package; may build what lies beside it."""
    store: Path = Path("/nix/store")
    """Outside of it, an image that is told in store paths finds nothing."""
    remote: RegistryImage | None = None
    """Of `docker://REF`: then there is no path."""
    base: RegistryImage | None = None
    """The image that a package is put on."""
    image_in_archive: str = ""
    """Which of several images: a name, or a number from 1 on."""
    platform: Platform | None = None
    """Which of several platforms of one image; None for all."""
    as_is: bool = False
    """Keep what an earlier run stamped: for who looks at the image, and does not stamp it anew."""
    now: datetime | None = None
    """What a script means by `created = "now"`."""
    folder: Path | None = None
    """Private, and outlives the source; None for the system's folder of temporary files."""
    nar_hashes: Callable[[], Mapping[str, str]] | None = None
    """Asks Nix for the hashes of all store paths that the result refers to; of none, where it does not know."""


class Source(Protocol):
    """A kind of result."""

    KIND: str
    """In words, for messages: "streamLayeredImage script"."""

    def matches(self, path: Path, head: bytes) -> bool:
        """Decide by the file itself; `head` are its first 512 bytes, empty for a folder."""

    def opened(self, path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
        """Open it. NotAnImageError where it is broken."""
