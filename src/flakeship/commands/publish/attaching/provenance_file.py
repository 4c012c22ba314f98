"""The predicate of an image's provenance as a file of its own, for what signs it elsewhere: `actions/attest` takes its path.

The path must be relative to the workspace, which a later step of the job sees at another place: docs/provenance.md#for-actionsattest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flakeship import events
from flakeship.commands.publish.attaching.provenance import predicate_in
from flakeship.commands.publish.metadata_file import remove_link, write_metadata

if TYPE_CHECKING:
    from flakeship.commands.publish.attaching.step import Attachments

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def provenance_files(names: Iterable[str]) -> list[str]:
    """Return `provenance.json` for one image, and `provenance-NAME.json` for each of several by the names of their attributes."""
    listed = list(names)
    if len(listed) < 2:
        return ["provenance.json"] * len(listed)
    return [f"provenance-{_UNSAFE.sub('-', name)}.json" for name in listed]


def write_provenance(made: Mapping[str, Attachments | None], folder: Path, emit: events.Emit) -> None:
    """Write the file of each image that this run has made new. ResourceError where one can't be written."""
    for name, attached in zip(provenance_files(made), made.values(), strict=True):
        predicate = predicate_in(attached.artifacts) if attached else None
        if attached is None or predicate is None:
            continue
        if "provenance" in attached.left_out:
            emit(
                events.Notice(
                    f"no provenance of this run: the image was there before it, so {name} is not written"
                )
            )
            continue
        remove_link(folder / name)
        write_metadata(folder / name, predicate)
