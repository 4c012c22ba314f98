"""The file that `metadata-file` names: checked before the build, removed when a run begins, written when it has ended well."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flakeship.errors import ResourceError, UsageError
from flakeship.redaction import redacted_result


def json_of(document: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return the document as text; its keys are sorted, so that two runs can be compared line by line."""
    separators = None if indent else (",", ":")
    return json.dumps(document, indent=indent, separators=separators, sort_keys=True)


def folder_beside(metadata_file: str, cwd: Path) -> Path:
    """The folder of the metadata file, which the files of legs are written to; `cwd` if no such file is asked for."""
    return (cwd / metadata_file).parent if metadata_file else cwd


# docs/decisions.md#a-picture-lies-beside-the-metadata-file
def picture_files(metadata_file: Path) -> tuple[Path, ...]:
    """The pictures that lie beside a metadata file, SVG and HTML: `metadata-picture.svg` beside `metadata.json`.

    None lie beside what is no file of its own, such as a pipe or /dev/stdout.
    """
    if metadata_file.is_symlink() or (metadata_file.exists() and not metadata_file.is_file()):
        return ()
    return _pictures(metadata_file)


def _pictures(metadata_file: Path) -> tuple[Path, ...]:
    return tuple(
        metadata_file.with_name(f"{metadata_file.stem}-picture{suffix}")
        for suffix in (".svg", ".html")
        if metadata_file.name
    )


def check_metadata(path: Path) -> None:
    """Before anything is built: UsageError where a file at `path` could not be written. Leaves nothing there."""
    try:
        path = Path(os.path.realpath(path))
        there = next(place for place in (path, *path.parents) if place.exists())
        if path.is_symlink():
            why = "Too many levels of symbolic links"
        elif there == path and there.is_dir():
            why = "Is a directory"
        elif there != path and not there.is_dir():
            why = f"{there} is a file"
        else:
            why = "" if os.access(there, os.W_OK) else f"{there} may not be written to"
    except OSError as error:
        why = error.strerror or str(error)
    if why:
        raise UsageError(
            f"the metadata file {path} can't be written: {why}",
            hint="name a file in a folder that can be written to",
        )


def remove_link(path: Path) -> None:
    """Remove a link where a file of a name that flakeship chose is written: it may lie in what was checked out, and lead anywhere."""
    with contextlib.suppress(OSError):  # whoever writes the file tells
        if path.is_symlink():
            path.unlink()


def remove_metadata(path: Path) -> None:
    """Remove the files of an earlier run: should this one fail, a later step must not read of an image that is not there."""
    for picture in _pictures(path):  # also where this run draws none
        with contextlib.suppress(OSError):
            picture.unlink()
    with contextlib.suppress(OSError):
        path = Path(os.path.realpath(path))
        if path.is_file():
            path.unlink()


def write_metadata(path: Path, document: Mapping[str, Any]) -> None:
    """ResourceError where the file can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(redacted_result(json_of(document, indent=2)) + "\n", encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"can't write the metadata file {path}: {error.strerror}; the image is at its destinations",
            hint="name a file in a folder that can be written to",
        ) from error
