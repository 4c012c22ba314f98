"""Packed layers on disk while they are on their way: made here, gone as soon as every destination has them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from flakeship.errors import ResourceError, is_disk_full
from flakeship.image.model import Layer, PackedLayer

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
    directory = (parent or _usual()) / f"flakeship-{os.urandom(8).hex()}"
    try:  # first, for a signal may come as soon as the folder is there
        _make(directory)
        yield TemporaryStore(directory)
    finally:
        try:
            _remove(directory)
        except BaseException:  # a signal, which comes once
            _remove(directory)
            raise


def _usual() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise ResourceError(f"cannot make a temporary folder: {error.strerror}", hint=_WRITABLE) from error


def _make(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise ResourceError(
            f"cannot make a temporary folder in {directory.parent}: {error.strerror}", hint=_WRITABLE
        ) from error


def _remove(directory: Path) -> None:
    """Remove the folder, though threads that an error has abandoned may still be making files in it.

    Under another name no further thread finds it; one that had found it before may add its file while the others are
    removed, so that the folder is not empty at its end: then once more.
    """
    removed = directory.with_name(f"{directory.name}.gone")
    with contextlib.suppress(OSError):
        directory.rename(removed)
    for folder in (removed, directory):
        for _ in range(_REMOVALS):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break


def _failed(error: OSError, directory: Path) -> ResourceError:
    if is_disk_full(error):
        return disk_full(directory)
    return ResourceError(
        f"cannot pack a layer in {directory.parent}: {error.strerror}",
        hint="set TMPDIR to a folder that can be written to; where too many files are open, raise `ulimit -n`",
    )


def disk_full(directory: Path, *, free: int = 0, needed: int = 0) -> ResourceError:
    """`directory` is the store's own; `free` and `needed` are in bytes, where they are known."""
    left = f"only {free / 1e6:,.1f} MB are free" if free else "no space left"
    want = f"; about {needed / 1e6:,.0f} MB are needed there" if needed else ""
    return ResourceError(
        f"{left} in {directory.parent} for packing layers{want}",
        hint="free some space, or set TMPDIR to a folder on a larger disk",
    )
