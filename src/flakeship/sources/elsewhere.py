"""A result in a store that is not on this machine: its kind is told as that of one that is, by the file itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from flakeship.errors import NotAnImageError
from flakeship.image.layout import INDEX_FILE, LAYOUT_FILE
from flakeship.image.tar.blocks import BLOCK
from flakeship.sources.layout_files import DOCKER_MANIFEST
from flakeship.sources.opened import Opened, SourceRequest
from flakeship.sources.store_files import LOCAL, StoreFiles

OpenHere: TypeAlias = Callable[[Path, SourceRequest], contextlib.AbstractContextManager[Opened]]

_OF_IMAGES: Final = frozenset(name.encode() for name in (INDEX_FILE, LAYOUT_FILE, DOCKER_MANIFEST))
"""Files that a folder with an image has at its top."""
_PROGRAMS: Final = (b"\x7fELF", b"#!")


def opened(
    path: Path, request: SourceRequest, open_here: OpenHere
) -> contextlib.AbstractContextManager[Opened]:
    """Open the result that the other store has under this name. `open_here` opens a file or folder that was copied from it.

    Errors as those of its `StoreFiles` and as `sources.opened`.
    """
    files, name = request.files, str(path)
    kind = files.kind(name)
    if kind is None:
        raise NotAnImageError(
            f"{path} leads to nothing in the store that it was built in",
            hint="correct the builder, or name another attribute",
        )
    if kind == "folder" and not _is_image_folder(name, files):
        from flakeship.sources import closure

        return closure.opened(path, request)
    here = files.here(name)
    if kind == "file" and files.is_program(name):
        head = _head(here)
        if head.startswith(_PROGRAMS):
            return _of_program(path, request)
    if kind == "file" and _is_document(here):
        from flakeship.sources import nix2container

        return nix2container.opened(path, request)
    return open_here(here, replace(request, files=LOCAL, shown=name))


def is_image(path: str, files: StoreFiles) -> bool:
    """Whether a path of the other store is an image by itself, and not a package."""
    from flakeship.sources.inside import is_image as known
    from flakeship.sources.stream_script.recognition import recognised

    kind = files.kind(path)
    if kind is None or (kind == "folder" and not _is_image_folder(path, files)):
        return False
    here = files.here(path)
    if files.is_program(path):
        return recognised(here, files.here) is not None
    return known(here)


def _of_program(path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
    """nixpkgs' script, or a package that is one program: no other script of a flake is executed."""
    from flakeship.sources.stream_script.recognition import recognised

    if recognised(request.files.here(str(path)), request.files.here):
        from flakeship.sources import stream_script

        return stream_script.opened(path, request)
    from flakeship.sources import closure

    return closure.opened(path, request)


def _is_image_folder(path: str, files: StoreFiles) -> bool:
    return bool(_OF_IMAGES & set(files.names(path)))


def _is_document(here: Path) -> bool:
    from flakeship.sources import nix2container

    return nix2container.matches(here, _head(here))


def _head(here: Path) -> bytes:
    with here.open("rb") as file:
        return file.read(BLOCK)
