"""The files of a run beside its images: metadata, pictures, provenance, and what `merge` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flakeship import events
from flakeship.commands.publish import outputs
from flakeship.commands.publish.attributes import attributes_of
from flakeship.commands.publish.handover import metadata
from flakeship.commands.publish.metadata_document import metadata as of_one_image
from flakeship.commands.publish.metadata_file import (
    check_metadata,
    folder_beside,
    remove_link,
    remove_metadata,
    write_metadata,
)
from flakeship.commands.publish.result import Made, Result
from flakeship.commands.runtime import Runtime
from flakeship.outside.mounted import in_container
from flakeship.settings.declaration import Settings

if TYPE_CHECKING:
    from flakeship.report.picture.model import Contents


def checked_folder(settings: Settings, runtime: Runtime, emit: events.Emit) -> Path:
    """The folder for the metadata file and the files of legs. UsageError where one could not be written there."""
    folder = folder_beside(settings.metadata_file, runtime.cwd)
    files = [runtime.cwd / settings.metadata_file] if settings.metadata_file else []
    if settings.provenance:
        from flakeship.commands.publish.attaching.provenance_file import provenance_files

        stated = [folder / name for name in provenance_files(each.name for each in attributes_of(settings))]
        for each in stated:
            remove_link(each)
        files += stated
    for each in files:
        check_metadata(each)
        remove_metadata(each)
    if settings.push_by_digest:
        check_metadata(folder / "flakeship-leg.json")
        files.append(folder)
    elif settings.attaches and settings.sbom and (settings.to or settings.load):
        check_metadata(folder / "flakeship.cdx.json")
    if files and in_container(runtime.environ):
        from flakeship.commands.publish.volumes import warn_of_no_volume

        warn_of_no_volume(files, runtime.environ, emit)
    return folder


def write_files(made: Made, settings: Settings, folder: Path, runtime: Runtime) -> None:
    """Write what the settings ask for, once all images are published. ResourceError where a file can't be written."""
    if settings.metadata_file:
        metadata_file = runtime.cwd / settings.metadata_file
        write_metadata(metadata_file, metadata(made.results))
        _write_pictures(metadata_file, made.pictured, runtime.emit)
    if settings.provenance:
        _write_provenance(made.results, folder, runtime.emit)
    if settings.push_by_digest:
        _write_legs(made.legs, folder, runtime.emit)


def _write_pictures(metadata_file: Path, pictured: Sequence[Contents], emit: events.Emit) -> None:
    from flakeship.commands.publish.drawing import write_pictures

    write_pictures(metadata_file, pictured, emit)


def _write_provenance(made: Mapping[str, Result], folder: Path, emit: events.Emit) -> None:
    """Write the file of each image that was sent anywhere. ResourceError where one can't be written."""
    from flakeship.commands.publish.attaching.provenance_file import write_provenance

    sent = {name: outputs.references(each.published) and each.attached for name, each in made.items()}
    write_provenance({name: each or None for name, each in sent.items()}, folder, emit)


def _write_legs(legs: Sequence[tuple[str, Result]], folder: Path, emit: events.Emit) -> None:
    """Write the file of each image and of each variant. ResourceError where one can't be written."""
    from flakeship.commands.publish.leg_files import file_names

    for name, (_, each) in zip(file_names(legs), legs, strict=True):
        write_metadata(folder / name, of_one_image(each))
        emit(events.Notice(f"no tag was set: `flakeship merge` does that, and reads {folder / name}"))
