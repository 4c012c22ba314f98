"""The command `inspect`: an image in a registry or a file is looked at, and no layer is read that need not be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from flakeship import sources
from flakeship.commands.platforms import platforms_of
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.commands.source_place import SourcePlace, check_source
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.engine_config import as_engines_read
from flakeship.image.existing import ExistingImage, config_of, existing_image
from flakeship.image.model import Descriptor, Digest, Image, Layer, Platform
from flakeship.image.stream import CHUNK
from flakeship.lint.view import contents_of
from flakeship.registry.reference import TRANSPORT, Reference
from flakeship.report.inspection import (
    InspectedArtifact,
    InspectedLayer,
    Inspection,
    inspection_text,
    inspections_json,
)
from flakeship.settings.declaration import Settings
from flakeship.sources.blobs import Blobs, RegistryImage, document
from flakeship.sources.choice import choose_platforms
from flakeship.sources.indexes import Artifact, ImageManifest, platform_as_listed
from flakeship.sources.opened import OpenedIndex, SourceRequest
from flakeship.sources.registry_image import images_at
from flakeship.sources.stored import HoldsArtifacts
from flakeship.sources.written import written_source

Inspected: TypeAlias = Inspection | InspectedArtifact


def run(settings: Settings, runtime: Runtime) -> str:
    """Inspect the image, and return the text to print."""
    with open_run(settings, runtime) as opened:
        images = inspect(settings, opened)
    return inspections_json(images) if settings.json else "\n\n".join(map(inspection_text, images))


def inspect(settings: Settings, run_: Run) -> tuple[Inspected, ...]:
    """Return what is known of the image for each platform and of each artifact beside them, or for `platforms`.

    UsageError if there is no such image.
    """
    text = settings.image
    if not text:
        raise UsageError(
            "inspect: there is nothing to look at", hint="flakeship inspect ghcr.io/owner/name:tag, or a path"
        )
    runtime = run_.runtime
    platforms = platforms_of(settings.platforms)
    source = written_source(text, runtime.cwd)
    check_source(source, runtime)
    named = source.form or text.startswith((".", "/")) or (runtime.cwd / text).exists()
    if source.place == "registry" or (source.place == "path" and not named):
        reference = Reference.parse(text.removeprefix(TRANSPORT))
        return _in_registry(run_.registry_image(text), str(reference), platforms)
    return _at(run_.source_place(source), source.image, settings, run_, platforms)


def _at(
    place: SourcePlace, image_in_archive: str, settings: Settings, run_: Run, platforms: Sequence[Platform]
) -> tuple[Inspected, ...]:
    """Inspect a file or folder with the source that it belongs to; a stream is read to its end, where its config stands."""
    runtime, name = run_.runtime, place.shown or str(place.path)
    request = SourceRequest(
        environ=runtime.environ,
        emit=runtime.emit,
        image_in_archive=settings.image_in_archive or image_in_archive,
        shown=place.shown,
        platforms=tuple(platforms),
        as_is=True,
        now=runtime.now,
    )
    with sources.opened(place.path, request) as source:
        layers = {layer.key: _sized(layer, read=source.forward_only) for layer in source.layers()}
        images = source.images() if isinstance(source, OpenedIndex) else (source.image(),)
        beside = source.artifacts if isinstance(source, HoldsArtifacts) and not platforms else ()
        return (
            *(_of_source(name, image, layers) for image in images),
            *(_of_artifact(name, artifact) for artifact in beside),
        )


def _sized(layer: Layer, *, read: bool) -> tuple[Layer, int | None]:
    """Return the layer and the size to show for it, in bytes: that of its blob if there is one, else of its tar."""
    if layer.compressed:
        return layer, layer.compressed.size
    if not read:
        return layer, layer.size
    size = 0
    with layer.open() as reader:
        while data := reader.read(CHUNK):
            size += len(data)
    return layer, size


def _of_source(name: str, image: Image, layers: Mapping[str, tuple[Layer, int | None]]) -> Inspection:
    known = [layers[key] for key in image.layers]
    digests = [layer.compressed.digest if layer.compressed else None for layer, _ in known]
    diff_ids = [claimed or layer.diff_id for claimed, (layer, _) in zip(image.diff_ids, known, strict=True)]
    sizes = [size for _, size in known]
    return Inspection(
        name=name,
        digest="",
        platform=str(image.platform),
        names=image.names,
        config=dict(image.config),
        annotations=dict(image.annotations),
        layers=_views(image.history, digests, diff_ids, sizes),
    )


def _in_registry(remote: RegistryImage, name: str, platforms: Sequence[Platform]) -> tuple[Inspected, ...]:
    """Tell what a reference leads to, from its documents alone: with `platforms`, the images that `publish` would take.

    NotAnImageError where a document does not describe an image.
    """
    found = images_at(remote, platforms)
    images = [_of_manifest(name, manifest, remote.blobs) for manifest in found.manifests]
    if platforms:
        places = choose_platforms([platform for platform, _ in images], platforms, what=name)
        return tuple(images[place][1] for place in places)
    return (
        *(inspection for _, inspection in images),
        *(_of_artifact(name, artifact) for artifact in found.artifacts),
    )


def _of_manifest(name: str, manifest: ImageManifest, blobs: Blobs) -> tuple[Platform, Inspection]:
    try:
        config = document(blobs, config_of(manifest.content))
        image = existing_image(name, manifest.content, config)
    except ValueError as error:
        raise NotAnImageError(
            f"{name}@{manifest.entry.digest} is no image: {error}",
            hint="another kind of artifact, or a broken push",
        ) from error
    return _of_existing(name, manifest.entry, image)


def _of_artifact(name: str, artifact: Artifact) -> InspectedArtifact:
    entry = artifact.entry
    return InspectedArtifact(
        name, entry.digest, artifact.kind, artifact.subject, entry.size, dict(entry.annotations)
    )


def _of_existing(name: str, entry: Descriptor, image: ExistingImage) -> tuple[Platform, Inspection]:
    read = as_engines_read(image.config)
    config = {key: value for key, value in read.items() if key not in {"history", "rootfs"}}
    history = read.get("history")
    os, architecture, variant, version = (
        str(config.get(key) or "") for key in ("os", "architecture", "variant", "os.version")
    )
    platform = platform_as_listed(entry, Platform(os, architecture, variant, version))
    return platform, Inspection(
        name=name,
        digest=entry.digest,
        platform=str(platform),
        names=(),
        config=config,
        annotations=dict(image.annotations),
        layers=_views(
            [entry for entry in history if isinstance(entry, dict)] if isinstance(history, list) else [],
            [layer.digest if layer else None for layer in image.layers],
            [layer.diff_id if layer else None for layer in image.layers],
            [layer.size if layer else None for layer in image.layers],
        ),
    )


def _views(
    history: Sequence[Mapping[str, Any]],
    digests: Sequence[Digest | None],
    diff_ids: Sequence[Digest | None],
    sizes: Sequence[int | None],
) -> tuple[InspectedLayer, ...]:
    filled = [entry for entry in history if not entry.get("empty_layer", False)]
    said = filled if len(filled) == len(digests) else [{}] * len(digests)
    comments = [str(entry.get("comment") or entry.get("created_by") or "") for entry in said]
    rows = zip(digests, diff_ids, sizes, contents_of(history, len(digests)), comments, strict=True)
    return tuple(InspectedLayer(*row) for row in rows)
