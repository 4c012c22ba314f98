"""Writes an image to one file, which gets its name when it is complete, or to stdout."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from flakeship import events
from flakeship.destinations.archive.format import ArchiveFormat
from flakeship.destinations.archive.tar import ImageArchive
from flakeship.destinations.image_name import ImageName
from flakeship.destinations.protocol import BlobsUnknownError, DeliveredBlob, Prepared, Published, Tagging
from flakeship.errors import Error, ResourceError, UsageError, advice
from flakeship.image.model import Digest, Packed, PackedIndex, PackedLayer
from flakeship.leftovers.locks import check_writable, new_file, sweep_files


class ArchiveDestination:
    """`path` None stands for `stdout`. The file exists under its name only when it is complete.

    `names` are those that the image gets inside; without any it keeps its own. To be used as a context manager.
    """

    def __init__(
        self,
        path: Path | None,
        form: ArchiveFormat,
        names: tuple[ImageName, ...] = (),
        *,
        stdout: BinaryIO | None = None,
        emit: events.Emit = events.ignore,
    ) -> None:
        self._path, self._form, self._names, self._stdout, self._emit = path, form, names, stdout, emit
        self._delivered: dict[Digest, DeliveredBlob] = {}
        self._temporary: Path | None = None
        self._file: BinaryIO | None = None
        self._archive: ImageArchive | None = None
        self._opening = threading.Lock()

    @property
    def name(self) -> str:
        """The name in messages: `docker-archive:FILE`, or `-` for stdout."""
        return f"{self._form}:{self._path}" if self._path else "-"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove a file that was not finished."""
        if self._path and self._file:
            with contextlib.suppress(OSError):
                self._file.close()
        if self._temporary:
            self._temporary.unlink(missing_ok=True)

    def check(self) -> None:
        """UsageError for a terminal, a folder or a device, ResourceError if the file can't be written; nothing is left there."""
        if self._path is None:
            self._check_stdout()
            return
        with self._errors_explained():
            place = self._resolved_path()
            sweep_files(place.parent)
            check_writable(place.parent)

    def _opened(self) -> ImageArchive:
        """Open the file with the first layer, from whatever thread it comes: until then Nix may be reading the folder."""
        with self._opening:
            if self._archive is None:
                if self._path is None:
                    self._file = self._check_stdout()
                else:
                    place = self._resolved_path()
                    place.parent.mkdir(parents=True, exist_ok=True)
                    handle, self._temporary = new_file(place.parent)
                    self._file = os.fdopen(handle, "wb")
                self._archive = ImageArchive(self._file)
            return self._archive

    def take(self, layer: PackedLayer, *, certain: bool = True) -> DeliveredBlob:
        """Write the layer to the archive. BlobsUnknownError if the layer can't be opened: archives hold nothing before."""
        digest, size = layer.descriptor.digest, layer.descriptor.size
        if layer.open is None:
            raise BlobsUnknownError(frozenset({digest}))
        with self._errors_explained():
            self._opened().add_layer(layer)
        delivered = self._delivered[digest] = DeliveredBlob(digest, size, "written")
        self._emit(events.LayerProgress(layer.name, "written", size, digest, self.name))
        return delivered

    def prepare(self, packed: Packed, *, alone: bool = False) -> Prepared:
        """Write the rest of a file, which then lacks only its name. On stdout all that is left to write is the name."""
        names = self._names_of(packed)
        docker = self._form == "docker-archive"
        return self._ready(
            packed, lambda archive: archive.finish(packed, names=names, layout=True, docker=docker)
        )

    def _ready(self, packed: Packed | PackedIndex, end: Callable[[ImageArchive], None]) -> Prepared:
        """A file gets its name by a rename; a reader of stdout knows the image when the archive ends."""
        reference = self._reference(self._names_of(packed))
        published = Published(
            destination=self.name,
            reference=reference,
            tags=(),
            digest=packed.descriptor.digest,
            blobs=tuple(blob for image in packed.images for blob in self._blobs(image)),
        )
        if self._path:
            self._finish_archive(end)
            return Prepared(((Tagging((reference,), self._rename),),), lambda: published)
        return Prepared(((Tagging((reference,), lambda: self._finish_archive(end)),),), lambda: published)

    def _finish_archive(self, write: Callable[[ImageArchive], None]) -> None:
        with self._errors_explained():
            write(self._opened())
            assert self._file
            self._file.flush()

    def _rename(self) -> None:
        if self._temporary is None:  # done already: the image was prepared once more for another destination
            return
        assert self._file
        with self._errors_explained():
            os.fchmod(self._file.fileno(), 0o644)
            self._temporary.replace(self._resolved_path())
            self._temporary = None

    def _blobs(self, packed: Packed) -> Iterator[DeliveredBlob]:
        yield from (self._delivered[layer.descriptor.digest] for layer in packed.layers)
        yield DeliveredBlob(packed.config_descriptor.digest, packed.config_descriptor.size, "written")

    def _names_of(self, packed: Packed | PackedIndex) -> tuple[ImageName, ...]:
        own = next((image.image.names for image in packed.images), ())
        return self._names or tuple(map(ImageName.of, own))

    def _reference(self, names: tuple[ImageName, ...]) -> str:
        """Return what skopeo and podman accept; they need no name to find the only image of an archive."""
        if not (self._path and names):
            return self.name
        return f"{self.name}:{names[0] if self._form == 'docker-archive' else names[0].tag or names[0]}"

    def _resolved_path(self) -> Path:
        """Follow links. UsageError for a folder, a device or a pipe, which a file must not replace."""
        assert self._path
        place = Path(os.path.realpath(self._path))
        if place.is_dir():
            raise UsageError(
                f"{self._path} is a folder, but {self._form} writes a file",
                hint=f"write `{self._form}:{self._path}/image.tar`, or `oci:DIR` for a folder",
            )
        if place.exists() and not place.is_file():
            raise UsageError(
                f"{self._path} is a device or a pipe, but {self._form} replaces what is there by a file",
                hint="write `to: -` for stdout, or set `dry-run: true` to write nothing",
            )
        return place

    def _check_stdout(self) -> BinaryIO:
        assert self._stdout
        if self._stdout.isatty():
            raise UsageError(
                "stdout is a terminal, which can't take an archive",
                hint="send stdout to a program or a file: `flakeship publish --to - | docker load`",
            )
        return self._stdout

    @contextlib.contextmanager
    def _errors_explained(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> Error:
        return ResourceError(
            f"can't write the archive {self._path or 'to stdout'}: {error.strerror}",
            hint=advice(error, "name a file in a folder that can be written to"),
        )


class OciArchiveDestination(ArchiveDestination):
    """An archive that can hold images for several platforms, which docker's format can't."""

    def __init__(
        self, path: Path, names: tuple[ImageName, ...] = (), *, emit: events.Emit = events.ignore
    ) -> None:
        super().__init__(path, "oci-archive", names, emit=emit)

    def prepare_index(self, index: PackedIndex, *, alone: bool = False) -> Prepared:
        """Write the index and its images. UsageError for an index that lists an image of which there are no bytes here."""
        if absent := next((entry for entry in index.entries if entry.image is None), None):
            raise UsageError(
                f"{self.name} would not hold {absent.descriptor.digest}, which the index lists",
                hint="publish the index to the registry that holds its images: an archive must hold whole images",
            )
        names = self._names_of(index)
        return self._ready(index, lambda archive: archive.finish_index(index, names=names))
