"""The protocols of sources: a kind of source (`Source`) opens one, and an open one (`Opened`) yields layers and image."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from flakeship import events
from flakeship.image.model import Image, Layer, Platform
from flakeship.sources.store_files import LOCAL, StoreFiles

if TYPE_CHECKING:  # some sources alone are asked for these
    from flakeship.confinement.scripts import Confinement
    from flakeship.image.original import Original
    from flakeship.sources.blobs import RegistryImage
    from flakeship.sources.package import Package


class Opened(Protocol):
    """A source being read."""

    forward_only: bool
    """Layers come in the order of the stream, each to be read before the next; `image` is known after the last."""

    # docs/decisions.md#a-source-yields-layers-then-the-image
    def layers(self) -> Iterator[Layer]:
        """Yield each layer that the image needs, once; a forward-only source may yield some that it does not need."""

    def image(self) -> Image:
        """Return config, order of layers and the diff_ids that the config claims. NotAnImageError if they do not fit together."""


@runtime_checkable
class OpenedIndex(Opened, Protocol):
    """A source that holds one image for several platforms; `image` is the first of them."""

    annotations: Mapping[str, str]
    """The annotations of the index."""

    def images(self) -> tuple[Image, ...]:
        """Return one image for each platform, in the order of the index."""


@runtime_checkable
class KeepsOriginal(Protocol):
    """A source whose documents have digests that a copy can keep."""

    def original(self) -> Original | None:
        """Read the documents as they are; None where the source is not what is copied by its digest."""


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """The request that opens a source: which image is wanted, and what reading it may need beside the path."""

    environ: Mapping[str, str] = field(default_factory=dict)
    pass_env: tuple[str, ...] = ()
    """Names of variables that a script of the user's own gets besides those of its list."""
    emit: events.Emit = events.ignore
    package: Callable[[], Package] | None = None
    """Asks Nix about a result that is a plain package; may build what lies beside it."""
    store: Path = Path("/nix/store")
    """The folder of the Nix store; store paths elsewhere are not found."""
    remote: RegistryImage | None = None
    """The image that `docker://REFERENCE` names; the path is not used then."""
    base: RegistryImage | None = None
    """The image that a package is put on."""
    image_in_archive: str = ""
    """The image wanted of several in an archive: a name, or a number from 1 on."""
    platforms: tuple[Platform, ...] = ()
    """The platforms wanted, none for all: of several images those for them are taken, and a single one must be for them."""
    relabelled: bool = False
    """Whether the image is to be labelled as for another platform, so that there must be one."""
    shown: str = ""
    """How messages call the source; empty where that is its path."""
    as_is: bool = False
    """Keep what an earlier run stamped: `inspect` shows the image as it is, `publish` stamps it anew, if it stamps anything."""
    now: datetime | None = None
    """The date that a script writes for `created = "now"`."""
    folder: Path | None = None
    """Private, and outlives the source; None for the system's folder of temporary files."""
    confinement: Callable[[], Confinement] | None = None
    """How what must be executed is confined; None for as well as this machine can."""
    files: StoreFiles = LOCAL
    """The files of the store that the result lies in; the path is one of that store if it is not this machine's."""
    nar_hashes: Callable[[], Mapping[str, str]] | None = None
    """Asks Nix for the NAR hashes of all store paths that the result refers to; empty where Nix does not know them."""


class Source(Protocol):
    """A kind of result."""

    KIND: str
    """In words, for messages: "streamLayeredImage script"."""

    def matches(self, path: Path, head: bytes) -> bool:
        """Decide by the file itself; `head` are its first 512 bytes, empty for a folder."""

    def opened(self, path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
        """Open it. NotAnImageError where it is broken."""
