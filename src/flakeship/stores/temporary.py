"""Packed layers on disk while they are on their way: made here, gone as soon as every destination has them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from flakeship.errors import ResourceError, advice, is_disk_full
from flakeship.image.model import Layer, PackedLayer
from flakeship.leftovers.locks import folder_name, make_folder, remove_folder, sweep_folders

_REMOVALS: Final = 5
"""How often removing the folder is tried: each failure needs a thread that was making its file just then."""

_WRITABLE: Final = "set TMPDIR to a folder that can be written to"


class TemporaryStore:
    """Never finds anything; holds at most what the caller has not dropped yet."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def find(self, layer: Layer) -> PackedLayer | None:
        """Return None: nothing is kept from earlier runs."""
        return None

    @contextlib.contextmanager
    def spool(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file to write a blob to; removed again if the block fails. ResourceError where the disk is full."""
        path = None
        try:
            handle, name = tempfile.mkstemp(prefix="layer-", dir=self.directory)
            path = Path(name)
            # buffered, for a raw file takes a part of what is written, in silence, where the disk is almost full
            with os.fdopen(handle, "wb") as file:
                yield file, path
        except BaseException as error:
            if path:
                path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _failed(error, self.directory) from error
            raise

    def keep(self, layer: Layer, packed: PackedLayer, path: Path) -> None:
        """Nothing lasts here."""


@contextlib.contextmanager
def temporary_store(parent: Path | None) -> Iterator[TemporaryStore]:
    """A store in a folder of its own below `parent` (default: the system's), removed with all that it holds."""
    with temporary_folder(parent) as directory:
        yield TemporaryStore(directory)


# docs/decisions.md#a-lock-tells-what-was-left
@contextlib.contextmanager
def temporary_folder(parent: Path | None, *, mode: int = 0o700) -> Iterator[Path]:
    """A folder for the block, which also removes those of runs that were killed. ResourceError if it can't be made."""
    place = parent or _usual()
    sweep_folders(place)
    directory, lock = place / folder_name(), None
    try:  # first, for a signal may come as soon as the folder is there
        lock = _made(directory, mode)
        yield directory
    finally:
        try:
            remove_folder(directory, tries=_REMOVALS)
        except BaseException:  # a signal, which comes once
            remove_folder(directory, tries=_REMOVALS)
            raise
        finally:
            if lock is not None:
                os.close(lock)


def _usual() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise ResourceError(f"can't make a temporary folder: {error.strerror}", hint=_WRITABLE) from error


def _made(directory: Path, mode: int) -> int:
    try:
        return make_folder(directory, mode=mode)
    except OSError as error:
        raise ResourceError(
            f"can't make a temporary folder in {directory.parent}: {error.strerror}",
            hint=advice(error, _WRITABLE),
        ) from error


def _failed(error: OSError, directory: Path) -> ResourceError:
    if is_disk_full(error):
        return disk_full(directory)
    return ResourceError(
        f"can't pack a layer in {directory.parent}: {error.strerror}",
        hint=advice(error, _WRITABLE),
    )


def disk_full(directory: Path, *, free: int = 0, needed: int = 0) -> ResourceError:
    """`directory` is the store's own; `free` and `needed` are in bytes, where they are known."""
    left = f"only {free / 1e6:,.1f} MB are free" if free else "no space left"
    want = f"; about {needed / 1e6:,.0f} MB are needed there" if needed else ""
    return ResourceError(
        f"{left} in {directory.parent} for packing layers{want}",
        hint="free some space, or set TMPDIR to a folder on a larger disk",
    )
