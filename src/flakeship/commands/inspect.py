"""The command `inspect`: an image in a registry or a file is looked at, and no layer is read that need not be."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias

from flakeship import sources
from flakeship.commands.platforms import platforms_of
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.commands.source_place import SourcePlace, check_source
from flakeship.errors import Error, NotAnImageError, UsageError
from flakeship.image.engine_config import as_engines_read
from flakeship.image.existing import ExistingImage, config_of, existing_image
from flakeship.image.model import Descriptor, Digest, Image, Layer, Platform
from flakeship.image.stream import CHUNK
from flakeship.lint.view import contents_of
from flakeship.registry.reference import TRANSPORT, Reference
from flakeship.report.inspection import (
    InspectedArtifact,
    InspectedIndex,
    InspectedLayer,
    Inspection,
    inspections_json,
    inspections_text,
)
from flakeship.settings.declaration import Settings
from flakeship.sources.blobs import Blobs, RegistryImage, document
from flakeship.sources.choice import choose_platforms
from flakeship.sources.indexes import Artifact, FoundIndex, ImageManifest, platform_as_listed
from flakeship.sources.opened import OpenedIndex, SourceRequest
from flakeship.sources.registry_image import images_at
from flakeship.sources.stored import Stored
from flakeship.sources.written import written_source

_UNPACKED: Final = "io.containers.estargz.uncompressed-size"
_SIZE: Final = re.compile(r"[0-9]{1,15}")

Inspected: TypeAlias = Inspection | InspectedArtifact


def run(settings: Settings, runtime: Runtime) -> str:
    """Inspect the image, and return the text to print."""
    with open_run(settings, runtime) as opened:
        images = inspect(settings, opened)
    return inspections_json(images) if settings.json else inspections_text(images)


def inspect(settings: Settings, run_: Run) -> tuple[Inspected, ...]:
    """Return what is known of the image for each platform and of each artifact beside them, or for `platforms`.

    UsageError if there is no such image.
    """
    text = settings.image
    if not text:
        raise UsageError(
            "`inspect` needs the image to show, and no image is named",
            hint="write `flakeship inspect ghcr.io/owner/name:tag`, or a path in place of the reference",
        )
    if "#" in text:
        raise UsageError(
            f"inspect looks at an image that exists, and {text!r} is what Nix would build",
            hint=f"make it by `flakeship publish {text} --to oci:image`, then run `flakeship inspect oci:image`",
        )
    runtime = run_.runtime
    platforms = platforms_of(settings.platforms)
    source = written_source(text, runtime.cwd)
    check_source(source, runtime)
    named = source.form or text.startswith((".", "/")) or (runtime.cwd / text).exists()
    if source.place == "registry" or (source.place == "path" and not named):
        reference = Reference.parse(text.removeprefix(TRANSPORT))
        with _folder_named(text, reference, runtime):
            return _in_registry(run_.registry_image(text), str(reference), platforms)
    return _at(run_.source_place(source), source.image, settings, run_, platforms)


@contextlib.contextmanager
def _folder_named(text: str, reference: Reference, runtime: Runtime) -> Iterator[None]:
    """Where a name without a host leads to no image, say what a folder of that name is called, or an image of an engine."""
    try:
        yield
    except Error as error:
        folder = text.partition(":")[0]
        if reference.repository == f"library/{folder}" and (runtime.cwd / folder).exists():
            error.hint = f"{text!r} means {reference}; what lies here is ./{folder} or oci:{text}"
        elif reference.repository == f"library/{folder}" and "/" not in text:
            if folder == text:
                error.message += f", and there is no file {text!r} here"
            engine = f"write docker-daemon:{text} for an image of the Docker engine, since {text!r} means {reference}"
            error.hint = f"{error.hint}; or {engine}" if error.hint else engine
        raise


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
        stored = source if isinstance(source, Stored) else None
        digests = stored.digests if stored else [""] * len(images)
        index = _index(stored.index) if stored else None
        beside = stored.artifacts if stored and not platforms else ()
        return (
            *(
                _of_source(name, digest, image, layers, index)
                for digest, image in zip(digests, images, strict=True)
            ),
            *(_of_artifact(name, artifact, index) for artifact in beside),
        )


def _index(found: FoundIndex | None) -> InspectedIndex | None:
    return InspectedIndex(found.digest, dict(found.annotations)) if found else None


class _Sized(NamedTuple):
    """A layer and its sizes in bytes: of its blob if there is one, else of its tar; and of the tar, as far as that is known."""

    layer: Layer
    size: int | None
    unpacked: int | None


def _sized(layer: Layer, *, read: bool) -> _Sized:
    if layer.compressed:
        plain = layer.compressed.size if not layer.compressed.suffix else layer.size
        return _Sized(
            layer, layer.compressed.size, _stated_size(layer.annotations) if plain is None else plain
        )
    if not read:
        return _Sized(layer, layer.size, layer.size)
    size = 0
    with layer.open() as reader:
        while data := reader.read(CHUNK):
            size += len(data)
    return _Sized(layer, size, size)


def _stated_size(annotations: object) -> int | None:
    """The size of a layer's tar as eStargz states it; None where nothing does, for only a reader of the layer would know.

    The last four bytes of gzip count modulo 2**32, and of the last of its members alone.
    https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md
    """
    said = annotations.get(_UNPACKED) if isinstance(annotations, Mapping) else None
    return int(said) if isinstance(said, str) and _SIZE.fullmatch(said) else None


def _of_source(
    name: str, digest: str, image: Image, layers: Mapping[str, _Sized], index: InspectedIndex | None
) -> Inspection:
    known = [layers[key] for key in image.layers]
    blobs = [each.layer.compressed for each in known]
    return Inspection(
        name=name,
        digest=digest,
        platform=str(image.platform),
        names=image.names,
        config=dict(image.config),
        annotations=dict(image.annotations),
        layers=_views(
            image.history,
            [blob.digest if blob else None for blob in blobs],
            [claimed or each.layer.diff_id for claimed, each in zip(image.diff_ids, known, strict=True)],
            [each.size for each in known],
            [each.unpacked for each in known],
        ),
        index=index,
    )


def _in_registry(remote: RegistryImage, name: str, platforms: Sequence[Platform]) -> tuple[Inspected, ...]:
    """Tell what a reference leads to, from its documents alone: with `platforms`, the images that `publish` would take.

    NotAnImageError where a document does not describe an image.
    """
    found = images_at(remote, platforms)
    index = _index(found.index)
    images = [
        (platform, replace(inspection, index=index))
        for platform, inspection in (
            _of_manifest(name, manifest, remote.blobs) for manifest in found.manifests
        )
    ]
    if platforms:
        places = choose_platforms([platform for platform, _ in images], platforms, what=name)
        return tuple(images[place][1] for place in places)
    return (
        *(inspection for _, inspection in images),
        *(_of_artifact(name, artifact, index) for artifact in found.artifacts),
    )


def _of_manifest(name: str, manifest: ImageManifest, blobs: Blobs) -> tuple[Platform, Inspection]:
    try:
        config = document(blobs, config_of(manifest.content))
        image = existing_image(name, manifest.content, config)
    except ValueError as error:
        raise NotAnImageError(
            f"{name}@{manifest.entry.digest} is not an image: {error}",
            hint="push the image again if it should be one; other kinds of artifacts are shown by `oras manifest fetch`",
        ) from error
    listed = [layer if isinstance(layer, dict) else {} for layer in manifest.content["layers"]]
    stated = [_stated_size(layer.get("annotations")) for layer in listed]
    return _of_existing(name, manifest.entry, image, stated)


def _of_artifact(name: str, artifact: Artifact, index: InspectedIndex | None) -> InspectedArtifact:
    entry = artifact.entry
    return InspectedArtifact(
        name, entry.digest, artifact.kind, artifact.subject, entry.size, dict(entry.annotations), index
    )


def _of_existing(
    name: str, entry: Descriptor, image: ExistingImage, stated: Sequence[int | None] = ()
) -> tuple[Platform, Inspection]:
    """`stated` are the sizes that the manifest states of the layers' tars, for all layers or none."""
    read = as_engines_read(image.config)
    config = {key: value for key, value in read.items() if key not in {"history", "rootfs"}}
    history = read.get("history")
    platform = platform_as_listed(entry, image.platform)
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
            [
                layer.size if layer and not layer.suffix else said
                for layer, said in zip(image.layers, stated or [None] * len(image.layers), strict=True)
            ],
        ),
    )


def _views(
    history: Sequence[Mapping[str, Any]],
    digests: Sequence[Digest | None],
    diff_ids: Sequence[Digest | None],
    sizes: Sequence[int | None],
    unpacked: Sequence[int | None],
) -> tuple[InspectedLayer, ...]:
    filled = [entry for entry in history if not entry.get("empty_layer", False)]
    said = filled if len(filled) == len(digests) else [{}] * len(digests)
    comments = [str(entry.get("comment") or entry.get("created_by") or "") for entry in said]
    contents = contents_of(history, len(digests))
    rows = zip(digests, diff_ids, sizes, contents, comments, unpacked, strict=True)
    return tuple(InspectedLayer(*row) for row in rows)
