"""SBOMs as files: where the image goes to no registry, which would keep them beside it, and where `metadata-file` asks for files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.attest.artifact import CYCLONEDX, SPDX
from flakeship.commands.publish.metadata_file import remove_link
from flakeship.commands.publish.result import Result
from flakeship.errors import ResourceError

PATTERNS: Final = ("flakeship-*.cdx.json", "flakeship-*.spdx.json")
"""The files that are written here. The endings are those that readers of these formats look for."""

_ENDINGS: Final = {CYCLONEDX: "cdx.json", SPDX: "spdx.json"}
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def write_sboms(
    made: Result, folder: Path, within: Sequence[str], *, always: bool, emit: events.Emit
) -> tuple[Path, ...]:
    """Write the SBOMs of an image, `flakeship-NAME-PLATFORM.cdx.json`; `within` stands behind the name where one image is not all.

    Without `always` only those of an image that was written to a place that keeps none beside it. ResourceError where one can't be written.
    """
    kept = all(place.in_registry for place in made.published if place.sent)
    if made.attached is None or (kept and not always):
        return ()
    written: list[Path] = []
    for artifact in made.attached.artifacts:
        if artifact.kind != "sbom":
            continue
        name = "-".join(["flakeship", _name(made), *within, str(artifact.subject.platform)])
        path = folder / f"{_UNSAFE.sub('-', name)}.{_ENDINGS[artifact.artifact_type]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_link(path)
            path.write_bytes(artifact.data + b"\n")
        except OSError as error:
            raise ResourceError(
                f"can't write the SBOM {path}: {error.strerror}; the image is at its destinations",
                hint="set `metadata-file` to a file in a folder that can be written to: SBOMs are written beside it",
            ) from error
        emit(events.Notice(f"the SBOM is written to {path}"))
        written.append(path)
    return tuple(written)


def _name(made: Result) -> str:
    """The repository that it goes to first, without the host; else what it was made from."""
    names = (item.destination for item in made.published if item.in_registry)
    found = next(names, "")
    if found:
        return found.partition("/")[2] or found
    from flakeship.store_paths import name_of

    return name_of(made.name).rpartition("/")[2].removesuffix(".gz").removesuffix(".tar")
