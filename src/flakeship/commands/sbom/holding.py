"""Which store paths are in an image, or in the closure of a package."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flakeship import events, sources
from flakeship.commands.inspect import inspect
from flakeship.commands.platforms import platforms_of
from flakeship.commands.run import Run
from flakeship.commands.sbom.knowledge import is_here
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.stream import chunks
from flakeship.image.tar.reader import MOST_OF_LAYER, TarReader
from flakeship.lint.view import CUSTOMISED, tells_contents
from flakeship.outside.moments import moment_of
from flakeship.printable import counted
from flakeship.report.inspection import Inspection
from flakeship.sbom.carried.layers import PassingLayers
from flakeship.sbom.carried.parts import Findings
from flakeship.sbom.layer_paths import LayerPaths, NotedPaths, paths_left
from flakeship.settings.declaration import Settings
from flakeship.sources.opened import Opened, OpenedIndex, SourceRequest
from flakeship.sources.written import written_source
from flakeship.store_paths import name_of

if TYPE_CHECKING:  # of an image Nix may know nothing
    from flakeship.image.model import Layer
    from flakeship.nix.closure import PathInfo

_BEGINNING: Final = "1970-01-01T00:00:01Z"
"""The date of what has none: all files of the store have it."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The store paths of an image, with what the SBOM calls it. `closure` is what Nix told of them already, if it was asked.

    `version` is the digest of the image, empty where it is known to no registry; `created` is in UTC.
    """

    paths: tuple[str, ...]
    name: str
    version: str = ""
    created: str = _BEGINNING
    closure: tuple[PathInfo, ...] = ()
    passed: Findings | None = None
    """What was seen in its layers, if they were read."""
    layers_unread: int = 0
    """Layers that may hold more store paths, and that nobody looked into."""


def of_package(outputs: Sequence[str], run_: Run) -> Holding:
    """What the outputs of a package need at run time. BuildError where Nix is missing, or does not know them."""
    builder = run_.builder
    found = {each.path: each for output in outputs for each in builder.closure(builder.nix, output)}
    return Holding(tuple(sorted(found)), name_of(outputs[0]), closure=tuple(found.values()))


def of_image(settings: Settings, run_: Run, path: str = "") -> Holding:
    """What an image holds, by its history; if that names no store path, by what lies in its layers. `path` is where Nix put it.

    UsageError where several images are meant, NotAnImageError where no store path is in it.
    """
    asked = replace(settings, image=path) if path else settings
    return of_inspection(chosen_image(asked, run_), asked, run_)


def chosen_image(asked: Settings, run_: Run) -> Inspection:
    """What `inspect` tells of the one image that is meant. Errors as by `of_image`."""
    found = [each for each in inspect(asked, run_) if isinstance(each, Inspection)]
    if not found:
        raise NotAnImageError(f"{asked.image} holds no image", hint="name an image, not what describes one")
    if len(found) > 1:
        names = ", ".join(each.platform for each in found)
        raise UsageError(
            f"{asked.image} holds {counted(len(found), 'image')}, for {names}, and an SBOM is of one",
            hint=f"name the platform: `--platforms {found[0].platform}`",
        )
    return found[0]


def of_inspection(image: Inspection, asked: Settings, run_: Run) -> Holding:
    """What this image holds. Errors as by `of_image`."""
    told = [[path for path in layer.store_paths if not path.endswith(CUSTOMISED)] for layer in image.layers]
    paths = {path for layer in told for path in layer}
    passing, silent = None, 0
    if not paths:
        passing = PassingLayers(lambda: run_.store.directory, is_here)
        paths = _listed(asked, run_, passing)
    elif silent := sum(not tells_contents(layer.store_paths, layer.comment) for layer in image.layers):
        run_.emit(
            events.Notice(
                f"not looked into: {counted(silent, 'layer')} of which the history names no store path, as it does of others"
            )
        )
    if not paths:
        raise NotAnImageError(
            f"{asked.image} holds no store path, so Nix knows nothing of what is in it",
            hint="use a scanner that reads the files of an image, such as syft or trivy, for an image that Nix did not make",
        )
    return Holding(
        tuple(sorted(paths)),
        _name(image, asked.image, run_),
        image.digest,
        date_of(image.config.get("created")),
        passed=passing.found if passing else None,
        layers_unread=silent,
    )


def _name(image: Inspection, text: str, run_: Run) -> str:
    """The name of a repository, without a tag: two tags of one image have one SBOM. Of what has no such name, that of its file."""
    if not image.names and not is_in_registry(text, run_):
        return name_of(Path(text).name if (run_.runtime.cwd / text).exists() else text)
    from flakeship.registry.reference import Reference

    name = image.names[0] if image.names else image.name
    try:
        reference = Reference.parse(name)
    except UsageError:  # an archive may call its image anything
        return name
    return f"{reference.registry}/{reference.repository}"


def is_in_registry(text: str, run_: Run) -> bool:
    """Whether `inspect` looks for the image in a registry."""
    cwd = run_.runtime.cwd
    source = written_source(text, cwd)
    named = source.form or text.startswith((".", "/")) or (cwd / text).exists()
    return source.place == "registry" or (source.place == "path" and not named)


def date_of(created: Any) -> str:
    """The date of an image in seconds and UTC."""
    moment = moment_of(created) if isinstance(created, str) else None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else _BEGINNING


def _listed(settings: Settings, run_: Run, passing: PassingLayers) -> set[str]:
    """The store paths that the layers hold, without those that an upper one removes: every layer is read."""
    with opened_image(settings, run_) as source:
        for layer in source.layers():
            read_through(passing.watch(layer), settings.image, passing)
        image = source.images()[0] if isinstance(source, OpenedIndex) else source.image()
        return set(paths_left([passing.paths.get(key, LayerPaths()) for key in image.layers]))


@contextlib.contextmanager
def opened_image(settings: Settings, run_: Run) -> Iterator[Opened]:
    """Open what the input `image` names, in whatever place, to read its layers."""
    runtime, text = run_.runtime, settings.image
    source = written_source(text, runtime.cwd)
    request = SourceRequest(
        environ=runtime.environ,
        emit=runtime.emit,
        image_in_archive=settings.image_in_archive or source.image,
        platforms=tuple(platforms_of(settings.platforms)),
        as_is=True,
        now=runtime.now,
    )
    if is_in_registry(text, run_):
        remote = replace(request, remote=run_.registry_image(text))
        with sources.opened(runtime.cwd, remote) as opened:
            yield opened
        return
    place = run_.source_place(source)
    with sources.opened(place.path, replace(request, shown=place.shown)) as opened:
        yield opened


def paths_in_layer(layer: Layer, what: str) -> LayerPaths:
    """Return the store paths that a layer adds and removes; all of it is read. NotAnImageError where it is damaged."""
    found = NotedPaths()
    try:
        with layer.open() as reader:
            for member in TarReader(reader, most=MOST_OF_LAYER):
                found.note(member.name)
            for _ in chunks(reader):
                pass
    except (NotAnImageError, EOFError) as error:
        raise _damaged(what, error.message if isinstance(error, NotAnImageError) else str(error)) from error
    return found.noted


def read_through(layer: Layer, what: str, passing: PassingLayers) -> None:
    """Read a layer to its end, for `passing` to note what is in it. NotAnImageError where it is damaged."""
    try:
        with layer.open() as reader:
            for _ in chunks(reader):
                pass
    except EOFError as error:
        raise _damaged(what, str(error)) from error
    if layer.key not in passing.paths:
        raise _damaged(what, "it is no whole tar archive")


def _damaged(what: str, why: str) -> NotAnImageError:
    return NotAnImageError(
        f"a layer of {what} can't be read: {why}", hint="push or write the image again: it is damaged"
    )
