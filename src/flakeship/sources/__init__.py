"""A result → `Opened`: which kind it is is decided by the file, never by a name or an attribute."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.inflate import is_foreign
from flakeship.image.tar.reader import BLOCK
from flakeship.sources.opened import Opened, Source, SourceRequest

_IMAGES: Final = "dockerTools (buildImage, buildLayeredImage, streamLayeredImage) or nix2container"


def opened(path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
    """Open the image at `path`. UsageError where nothing is there, NotAnImageError where it is no image."""
    if request.remote:
        from flakeship.sources import registry_image

        return registry_image.opened(request.remote, request)
    head = _head(path)
    for source in _kinds():
        if source.matches(path, head):
            return source.opened(path, request)
    raise _no_image(path, head)


def _kinds() -> Iterator[Source]:
    """In the order in which they are asked. Each is imported when its turn has come, for a run needs one of them."""
    from flakeship.sources import stream_script

    yield stream_script
    from flakeship.sources import oci_layout

    yield oci_layout
    from flakeship.sources import docker_archive

    yield docker_archive
    from flakeship.sources import nix2container

    yield nix2container
    from flakeship.sources import closure

    yield closure


def _head(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return b""
        if not stat.S_ISREG(mode):
            raise NotAnImageError(
                f"{path} is neither a file nor a folder",
                hint="write what comes through a pipe to a file first",
            )
        with path.open("rb") as file:
            return file.read(BLOCK)
    except OSError as error:
        raise UsageError(
            f"cannot read the source {path}: {error.strerror}",
            hint="`source` takes a path that exists: a store path, an archive, a script or a folder",
        ) from error


def _no_image(path: Path, head: bytes) -> NotAnImageError:
    if not head and path.is_dir():
        what, hint = "a folder", f"point flakeship at an attribute that is an image, made by {_IMAGES}"
    elif not head:
        what, hint = "an empty file", "the build made nothing; look at its builder"
    elif is_foreign(head):
        what, hint = "compressed with xz or bzip2", "compress the archive with gzip or zstd, or not at all"
    elif head.lstrip()[:1] in {b"{", b"["}:
        what, hint = "a JSON document", f"point flakeship at an image made by {_IMAGES}"
    elif head.startswith(b"#!"):
        what, hint = "a script that may not be executed", "make it executable (chmod +x)"
    else:
        what, hint = "none of the kinds that flakeship knows", f"point it at an image made by {_IMAGES}"
    return NotAnImageError(f"{path} is no image: it is {what}", hint=hint)
