"""A kind of destination that the program does not know: `shelf:FOLDER`, a folder with a file for each blob and name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship.destinations.kind import Defaults, Target
from flakeship.destinations.options import DestinationOptions
from flakeship.destinations.protocol import (
    BlobsUnknownError,
    DeliveredBlob,
    Destination,
    Prepared,
    Published,
    Tagging,
)
from flakeship.destinations.withheld import checked
from flakeship.errors import UsageError
from flakeship.image.model import Packed, PackedLayer

SCHEMES: Final = ("shelf",)
SYNTAX: Final = ("shelf:FOLDER",)


@dataclass(frozen=True)
class Shelf(Target):
    path: Path

    @property
    def folder(self) -> Path:
        return self.path

    @property
    def output(self) -> Path:
        return self.path

    @property
    def replaces(self) -> str:
        return str(self.path)

    @contextlib.contextmanager
    def open(self, options: DestinationOptions) -> Iterator[Destination]:
        yield checked(ShelfDestination(self.path), options)
        if not options.dry_run:
            (self.path / "closed").touch()


class ShelfDestination:
    def __init__(self, path: Path) -> None:
        self._path, self.name = path, f"shelf:{path}"

    def check(self) -> None:
        self._path.mkdir(parents=True)

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        descriptor = layer.descriptor
        if layer.open is None or not certain:
            raise BlobsUnknownError(frozenset({descriptor.digest}))
        with layer.open() as reader:
            self._path.joinpath(descriptor.digest).write_bytes(reader.read())
        return DeliveredBlob(descriptor.digest, descriptor.size, "written")

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        digest, config = packed.descriptor.digest, packed.config_descriptor
        self._path.joinpath(config.digest).write_bytes(packed.config)
        blobs = tuple(
            DeliveredBlob(each.digest, each.size, "written")
            for each in (*(layer.descriptor for layer in packed.layers), config)
        )

        def write() -> None:
            self._path.joinpath("manifest").write_bytes(packed.manifest)

        return Prepared(
            ((Tagging((self.name,), write),),), lambda: Published(self.name, self.name, (), digest, blobs)
        )


def parse(text: str, defaults: Defaults, /) -> Shelf:
    place = text.partition(":")[2]
    if not place:
        raise UsageError(f"to: {text!r} names no folder", hint="write shelf:FOLDER")
    return Shelf(defaults.cwd / place)


def with_suffix(_text: str, _suffix: str, /) -> None:
    pass
