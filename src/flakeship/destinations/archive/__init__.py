"""`docker-archive:FILE[:REFERENCE]`, `oci-archive:FILE[:TAG]` and `-` (stdout): an image in one tar file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flakeship.destinations.archive.format import ArchiveFormat
from flakeship.destinations.image_name import ImageName, check_ref_name, names_from
from flakeship.destinations.kind import Defaults, Target
from flakeship.destinations.options import DestinationOptions
from flakeship.destinations.protocol import Destination
from flakeship.errors import UsageError

SCHEMES: Final = ("docker-archive", "oci-archive", "-")
SYNTAX: Final = ("docker-archive:FILE[:REFERENCE]", "oci-archive:FILE[:TAG]", "- for stdout")


@dataclass(frozen=True)
class Archive(Target):
    """One file; `path` None is stdout. Without `names` the image keeps its own."""

    path: Path | None
    form: ArchiveFormat
    names: tuple[ImageName, ...]

    @property
    def keeps_own_name(self) -> bool:
        """True if there are no names."""
        return not self.names

    @property
    def folder(self) -> Path | None:
        """The folder that holds the file; None for stdout and for devices."""
        return None if self.path is None or self.path.parent == Path("/dev") else self.path.parent

    @property
    def output(self) -> Path | None:
        """The file."""
        return self.path

    @property
    def replaces(self) -> str:
        """The file, or `-`: an archive holds a single image."""
        return str(self.path or "-")

    @property
    def is_for_engines(self) -> bool:
        """True for what `docker load` takes."""
        return self.form == "docker-archive"

    @contextlib.contextmanager
    def open(self, options: DestinationOptions) -> Iterator[Destination]:
        """Open the file or stdout. UsageError for a terminal, a folder or a device."""
        from flakeship.destinations.archive.file import ArchiveDestination, OciArchiveDestination
        from flakeship.destinations.withheld import checked, warn_of_zstd

        destination: ArchiveDestination
        if self.path and self.form == "oci-archive":
            destination = OciArchiveDestination(self.path, self.names, emit=options.emit)
        else:
            warn_of_zstd(options)
            destination = ArchiveDestination(
                self.path, self.form, self.names, stdout=options.stdout, emit=options.emit
            )
        with destination:
            yield checked(destination, options)


def parse(text: str, defaults: Defaults, /) -> Archive:
    """Understand the three forms. Only an oci-archive can name its image by a tag alone."""
    if text == "-":
        return Archive(None, "docker-archive", names_from("", text, defaults.references))
    form: ArchiveFormat = "oci-archive" if text.startswith("oci-archive") else "docker-archive"
    place = text.partition(":")[2]
    file, _, name = place.partition(":")
    if not file or "\0" in file or "\n" in file:
        raise UsageError(f"to: {f'{form}:{place}'!r} names no file", hint=f"write `{form}:FILE`")
    if form == "oci-archive" and name:
        return Archive(defaults.cwd / file, form, (ImageName.of(check_ref_name(name)),))
    return Archive(defaults.cwd / file, form, names_from(name, text, defaults.references))


def with_suffix(_text: str, _suffix: str, /) -> None:
    """An archive holds a single image, whatever it is called there."""
