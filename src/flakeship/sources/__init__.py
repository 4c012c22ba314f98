"""Opening an image from whatever a build results in. Each kind of source is a module that satisfies `Source`.

The kind is decided by the file itself, never by its name or by an attribute of the derivation.
"""

from __future__ import annotations

import contextlib
import importlib
import stat
from pathlib import Path
from typing import Final, cast

from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.inflate import is_compressed, is_foreign
from flakeship.image.layout import BLOBS
from flakeship.image.tar.blocks import BLOCK
from flakeship.image.tar.reader import is_tar
from flakeship.sources import git_lfs
from flakeship.sources.opened import Opened, Source, SourceRequest
from flakeship.sources.store_files import LOCAL

# docs/decisions.md#kinds-are-tuples-of-module-names
SOURCES: Final = (
    "flakeship.sources.stream_script",
    "flakeship.sources.oci_layout",
    "flakeship.sources.docker_archive",
    "flakeship.sources.nix2container",
    "flakeship.sources.skopeo_folder",
    "flakeship.sources.closure",
)
"""The modules of all kinds of source, in the order in which they are asked whether a file is theirs.

Each is imported when it is asked, because a run needs one of them. `oci_layout` comes before `docker_archive`: what
`docker save` writes is both, and the layout alone says how its blobs are compressed.
"""

_IMAGES: Final = "dockerTools (buildImage, buildLayeredImage, streamLayeredImage) or nix2container"


def opened(path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
    """Open the image at `path`. UsageError where nothing is there, NotAnImageError where it is no image.

    UsageError too where a single image is not for the platforms wanted.
    """
    if request.shown:
        from flakeship.sources.renamed import renamed

        return renamed(path, request, _checked)
    return _checked(path, request)


def _checked(path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
    opening = _opened(path, request)
    if not (request.platforms or request.relabelled):
        return opening
    from flakeship.sources.platform_check import checked

    what = request.remote.blobs.what if request.remote else str(path)
    return checked(opening, request, what=what)


def _opened(path: Path, request: SourceRequest) -> contextlib.AbstractContextManager[Opened]:
    if request.remote:
        from flakeship.sources import registry_image

        return registry_image.opened(request.remote, request)
    if request.files is not LOCAL:
        from flakeship.sources import elsewhere

        return elsewhere.opened(path, request, opened)
    head = _head(path)
    for name in SOURCES:
        source = cast("Source", importlib.import_module(name))
        if source.matches(path, head):
            return source.opened(path, request)
    if is_tar(head) or is_compressed(head):  # no kind claims it: let the usual one say what it lacks
        from flakeship.sources import docker_archive

        return docker_archive.opened(path, request)
    raise _no_image(path, head)


def is_image(path: Path) -> bool:
    """Whether this is an image by itself; a package is not, although its closure becomes one."""
    from flakeship.sources.inside import is_image as known

    return known(path)


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
        if path.is_symlink() and not path.exists():
            raise UsageError(
                f"can't read the source {path}: it is a link to {path.readlink()}, and nothing is there",
                hint="build it once more (`nix build`); in a container, publish `.#image` itself, since the store of the host is not there",
            ) from error
        raise UsageError(
            f"can't read the source {path}: {error.strerror}",
            hint="set `source` to a path that exists: a store path, an archive, a script or a folder",
        ) from error


def _no_image(path: Path, head: bytes) -> NotAnImageError:
    if not head and path.is_dir():
        from flakeship.sources.inside import error_about

        message, hint = error_about(path, built=False)
        if message:
            return NotAnImageError(message, hint=hint)
        if (path / BLOBS).is_dir():
            return NotAnImageError(
                f"{path} is no image: it has blobs as an OCI image layout, and no index.json, so whatever wrote there did not come to its end",
                hint="write the image there once more, or remove the folder",
            )
        what, hint = "a folder", f"name an attribute that is an image, made by {_IMAGES}"
    elif git_lfs.is_pointer(head):
        what, hint = "a pointer of git LFS, which stands for a file that was not fetched", git_lfs.HINT
    elif not head:
        what, hint = "an empty file", "correct the builder: the build wrote nothing"
    elif is_foreign(head):
        what, hint = (
            "packed with zip, 7z, rar, lz4 or lzip",
            "unpack it, or compress the archive with gzip or zstd",
        )
    elif path.suffix == ".nix":
        what, hint = (
            "a file of Nix",
            "build it first, by `flakeship publish .#image` for a flake or `--file` for another file",
        )
    elif head.lstrip()[:1] in {b"{", b"["}:
        what, hint = "a JSON document", f"name an image made by {_IMAGES}"
    elif head.startswith(b"#!"):
        what, hint = "a script that may not be executed", "make it executable (`chmod +x`)"
    else:
        what, hint = (
            "of a kind that flakeship does not know",
            f"name an image made by {_IMAGES}, or a plain package with a program in its bin/",
        )
    return NotAnImageError(f"{path} is not an image: it is {what}", hint=hint)
