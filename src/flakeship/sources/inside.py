"""Images inside a folder that is not an image itself, for the error that names them: which one is meant is not guessed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flakeship.image.inflate import is_compressed, is_foreign
from flakeship.image.tar.blocks import BLOCK
from flakeship.image.tar.reader import is_tar
from flakeship.sources import docker_archive, nix2container, oci_layout, stream_script
from flakeship.sources.docker_manifest import HINT_FILE_SYSTEM
from flakeship.sources.opened import Source
from flakeship.sources.stream_script.recognition import recognised

_PRODUCTS: Final = "nix-support/hydra-build-products"
_DEPTH, _LOOKED_AT, _SHOWN = 3, 500, 5
_KINDS: Final[tuple[Source, ...]] = (stream_script, oci_layout, docker_archive, nix2container)


def error_about(folder: Path, *, built: bool) -> tuple[str, str]:
    """Return message and hint for a folder that holds an image, or what Hydra was told to take for one; two empty texts for others.

    `built` where the folder is what a flake gives: then its attribute can be another.
    """
    images = [ascii(image)[1:-1] for image in images_in(folder)]
    if images:
        files = ", ".join(images[:_SHOWN]) + (
            f" and {len(images) - _SHOWN} more" if len(images) > _SHOWN else ""
        )
        what = "one" if len(images) == 1 else f"{len(images)}"
        attribute = f'; in a flake, an attribute that is this file alone: `pkgs.runCommand "image" {{ }} "ln -s ${{package}}/{images[0]} $out"`'
        return (
            f"{folder} is not an image, but a folder that holds {what}: {files}",
            f"name the file: `source: {folder}/{images[0]}`{attribute if built else ''}",
        )
    others = [name for name in _products(folder) if _is_archive(_head(folder / name))]
    if others:
        message = f"{folder} is not an image, but a folder that holds {ascii(others[0])[1:-1]}, an archive that is not an image"
        return message, HINT_FILE_SYSTEM
    return "", ""


def _is_archive(head: bytes) -> bool:
    return is_compressed(head) or is_foreign(head) or is_tar(head)


def is_image(path: Path) -> bool:
    """Whether a file or a folder is an image by itself; a package is not, although its closure becomes one."""
    head = _head(path)
    return (bool(head) or path.is_dir()) and any(kind.matches(path, head) for kind in _KINDS)


def images_in(folder: Path) -> Iterator[str]:
    """The paths of images within a folder, relative to it: those that Hydra was told of, then what lies near the top."""
    seen: set[str] = set()
    for name in (*_products(folder), *_near(folder)):
        path = folder / name
        if name not in seen and is_image(path) and not _is_some_script(path):
            seen.add(name)
            if not any(name.startswith(f"{image}/") for image in seen if image != name):
                yield name


def _is_some_script(path: Path) -> bool:
    """A script that is not nixpkgs' is run where it is named, since it may write an image; few of a folder do."""
    return stream_script.matches(path, _head(path)) and recognised(path) is None


def _products(folder: Path) -> list[str]:
    """The files in `nix-support/hydra-build-products`, each line of which is `TYPE SUBTYPE PATH [DEFAULT]`.

    https://github.com/NixOS/hydra/blob/master/doc/manual/src/jobs.md
    """
    try:
        text = (folder / _PRODUCTS).read_text(errors="replace")[:65536]
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        if len(words) > 2 and Path(words[2]).is_relative_to(folder) and Path(words[2]) != folder:
            found.append(str(Path(words[2]).relative_to(folder)))
    return found


def _near(folder: Path) -> Iterator[str]:
    left = _LOOKED_AT
    for root, folders, files in os.walk(folder):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if name != ".git") if depth < _DEPTH else []
        for name in (*folders, *sorted(files)):
            left -= 1
            if left < 0:
                return
            yield str((Path(root) / name).relative_to(folder))


def _head(path: Path) -> bytes:
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(BLOCK)
    except OSError:
        pass
    return b""
