"""The command `metadata`: prints tags, labels and annotations as docker/metadata-action does; no image is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from flakeship import events
from flakeship.ci.platforms import output_platform
from flakeship.commands.naming import NamingRequest, metadata_of
from flakeship.commands.nix_facts import facts_before_build
from flakeship.commands.run import open_run
from flakeship.commands.runtime import Runtime
from flakeship.commands.subject import subject_of
from flakeship.errors import ResourceError, UsageError
from flakeship.metadata import output
from flakeship.metadata.engine import Metadata
from flakeship.printable import escaped_json, printable_lines
from flakeship.redaction import redacted_result
from flakeship.settings.declaration import Settings

_BAKES: Final[Mapping[str, output.Bake]] = {
    "bake-file-tags": "tags",
    "bake-file-labels": "labels",
    "bake-file-annotations": "annotations",
    "bake-file": "tags-labels",
}


def run(settings: Settings, runtime: Runtime) -> str:
    """Return the text to print; where the CI platform takes outputs, they are written for later steps."""
    found = computed(settings, runtime)
    printed = text(found, settings)
    if platform := output_platform(runtime.environ):
        platform.hand_over_metadata(outputs(found, settings, runtime), runtime.environ)
    return printed


def computed(settings: Settings, runtime: Runtime) -> Metadata:
    """Evaluate the inputs for the event of the run. UsageError for a malformed one; Nix is asked for `type=nix` alone."""
    with open_run(settings, runtime) as run_:
        request = NamingRequest.for_metadata(settings, run_.event, runtime.environ, runtime.emit)
        found = metadata_of(
            request,
            emit=runtime.emit,
            nix=lambda: facts_before_build(subject_of(settings, run_), runtime.cwd),
        )
    if not found.tags:
        runtime.emit(
            events.Warned(
                "these rules give no tag", "run `flakeship metadata --explain`, which says why for each rule"
            )
        )
    return found


def text(metadata: Metadata, settings: Settings) -> str:
    """Return the form of the metadata that is asked for. UsageError where more than one is."""
    forms = {"json": settings.json, "explain": settings.explain, "bake": settings.bake}
    wanted = [name for name, asked in forms.items() if asked]
    match wanted:
        case []:
            return _readable(output.as_text(metadata))
        case ["json"]:
            return escaped_json(json.dumps(output.to_json(metadata), ensure_ascii=False, indent=2))
        case ["explain"]:
            return _readable(output.explain(metadata))
        case ["bake"]:
            return escaped_json(output.bake_file(metadata, target=settings.bake_target))
        case _:
            raise UsageError(
                f"{' and '.join(wanted)} are both given, but only one of them is printed",
                hint="leave one of them out",
            )


def _readable(text: str) -> str:
    return printable_lines(text.rstrip("\n"))


def outputs(metadata: Metadata, settings: Settings, runtime: Runtime) -> dict[str, str]:
    """Return the outputs by the names of docker/metadata-action; those of bake files are their paths.

    Writes the bake files; ResourceError for one that can't be written.
    """
    separators = (settings.sep_tags, settings.sep_labels, settings.sep_annotations)
    return output.outputs(metadata, separators=separators) | dict(_bake_files(metadata, settings, runtime))


def _bake_files(metadata: Metadata, settings: Settings, runtime: Runtime) -> Iterator[tuple[str, str]]:
    """Write the definitions for bake; yield the name of each output and the path of its file.

    The step of a container shares only the workspace with later steps; any other can use the runner's folder.
    """
    folder = Path(settings.bake_folder or runtime.environ.get("RUNNER_TEMP") or ".")
    for name, kind in _BAKES.items():
        path = folder / f"docker-metadata-action-{name.replace('-file', '')}.json"
        try:
            (runtime.cwd / folder).mkdir(parents=True, exist_ok=True)
            (runtime.cwd / path).write_text(
                redacted_result(output.bake_file(metadata, kind, target=settings.bake_target)),
                encoding="utf-8",
            )
        except OSError as error:
            raise ResourceError(
                f"can't write the definition for bake {path}: {error.strerror}",
                hint="name a folder that can be written to by `bake-folder`",
            ) from error
        yield name, str(path)
