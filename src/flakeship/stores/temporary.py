"""Packed layers on disk while they are on their way: made here, gone as soon as every destination has them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from flakeship.errors import ResourceError
from flakeship.image.model import PackedLayer


class TemporaryStore:
    """Never finds anything; holds at most what the caller has not dropped yet."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def find(self, key: str) -> PackedLayer | None:
        return None

    @contextlib.contextmanager
    def spool(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file to write a blob to; removed again if the block fails. ResourceError where the disk is full."""
        handle, name = tempfile.mkstemp(prefix="layer-", dir=self.directory)
        path = Path(name)
        try:
            with os.fdopen(handle, "wb", buffering=0) as file:
                yield file, path
        except OSError as error:
            path.unlink(missing_ok=True)
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise disk_full(self.directory) from error
            raise
        except BaseException:
            path.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def temporary_store(parent: Path | None) -> Iterator[TemporaryStore]:
    """A store in a folder of its own below `parent` (default: the system's), removed with all that it holds."""
    try:
        directory = Path(tempfile.mkdtemp(prefix="flakeship-", dir=parent))
    except OSError as error:
        raise ResourceError(
            f"cannot make a temporary folder in {parent or tempfile.gettempdir()}: {error.strerror}",
            hint="set TMPDIR to a folder that can be written to",
        ) from error
    try:
        yield TemporaryStore(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def disk_full(directory: Path, *, needed: int = 0) -> ResourceError:
    want = f"; about {needed / 1e6:,.0f} MB are needed there" if needed else ""
    return ResourceError(
        f"no space left in {directory.parent} while packing layers{want}",
        hint="free some space, or set TMPDIR to a folder on a larger disk",
    )
