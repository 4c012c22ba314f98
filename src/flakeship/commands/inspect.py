"""The command `inspect`: an image in a registry or a file is looked at, and no layer is read that need not be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from flakeship import sources
from flakeship.commands.publish.overrides import platform_of
from flakeship.commands.run import Run, open_run
from flakeship.commands.runtime import Runtime
from flakeship.destinations.grammar import kind_of
from flakeship.errors import NotAnImageError, UsageError
from flakeship.image.existing import ExistingImage
from flakeship.image.model import Digest, Image, Layer
from flakeship.image.place import (
    DocumentError,
    MalformedError,
    ManifestDocument,
    WrongDigestError,
    read_image,
    read_manifest,
)
from flakeship.image.stream import CHUNK
from flakeship.lint.view import contents_of
from flakeship.registry.client import RegistryClient
from flakeship.registry.reference import TRANSPORT, Reference
from flakeship.report.inspection import InspectedLayer, Inspection, inspection_text, inspections_json
from flakeship.settings.declaration import Settings
from flakeship.sources.opened import OpenedIndex, SourceRequest

_PLATFORMS: Final = 64


def run(settings: Settings, runtime: Runtime) -> str:
    """Inspect the image, and return the text to print."""
    with open_run(settings, runtime) as opened:
        images = inspect(settings, opened)
    return inspections_json(images) if settings.json else "\n\n".join(map(inspection_text, images))


def inspect(settings: Settings, run_: Run) -> tuple[Inspection, ...]:
    """Return what is known of the image for each platform, or for the one that `platform` names.

    UsageError if there is no such image.
    """
    text = settings.image
    if not text:
        raise UsageError(
            "inspect: there is nothing to look at", hint="flakeship inspect ghcr.io/owner/name:tag, or a path"
        )
    runtime = run_.runtime
    kind, rest = kind_of(text), text.partition(":")[2]
    medium = kind.MEDIUM if kind else ""
    if medium == "path" and rest:
        found = _at(*_place(runtime.cwd, rest), settings, runtime)
    elif text.startswith((".", "/")) or (runtime.cwd / text).exists():
        found = _at(runtime.cwd / text, "", settings, runtime)
    elif medium == "engine":
        raise UsageError(
            f"inspect: {text!r} is in an engine, which flakeship does not look into",
            hint="`docker save` or `podman save` it to a file, and name that",
        )
    else:
        reference = Reference.parse(text.removeprefix(TRANSPORT))
        found = tuple(_in_registry(run_.connections.client(reference), reference))
    return _chosen(found, settings.platform)


def _place(cwd: Path, rest: str) -> tuple[Path, str]:
    """Split `PATH[:NAME]`, the form in which `publish` prints where an image is."""
    path, _, name = rest.partition(":")
    return (cwd / rest, "") if (cwd / rest).exists() else (cwd / path, name)


def _chosen(found: tuple[Inspection, ...], platform: str) -> tuple[Inspection, ...]:
    if not platform:
        return found
    wanted = str(platform_of(platform))
    chosen = tuple(image for image in found if image.platform == wanted)
    if not chosen:
        there = ", ".join(image.platform for image in found)
        raise UsageError(f"there is no image for {wanted}", hint=f"there is one for: {there}")
    return chosen


def _at(path: Path, name: str, settings: Settings, runtime: Runtime) -> tuple[Inspection, ...]:
    """Inspect a file or folder with the source that it belongs to; a stream is read to its end, where its config stands."""
    platform = platform_of(settings.platform) if settings.platform else None
    request = SourceRequest(
        runtime.environ,
        runtime.emit,
        image_in_archive=settings.image_in_archive or name,
        platform=platform,
        as_is=True,
        now=runtime.now,
    )
    with sources.opened(path, request) as source:
        layers = {layer.key: _sized(layer, read=source.forward_only) for layer in source.layers()}
        images = source.images() if isinstance(source, OpenedIndex) else (source.image(),)
        return tuple(_of_source(str(path), image, layers) for image in images)


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


def _in_registry(client: RegistryClient, reference: Reference) -> Iterator[Inspection]:
    manifest = _manifest(client, reference)
    if not manifest.is_index:
        yield _of_manifest(str(reference), manifest, client)
        return
    for digest in _children(manifest, str(reference))[:_PLATFORMS]:
        yield _of_manifest(str(reference), _child(client, digest, reference), client)


def _manifest(client: RegistryClient, reference: Reference) -> ManifestDocument:
    try:
        manifest = read_manifest(client, reference.digest or reference.tag or "latest")
    except WrongDigestError as error:
        raise NotAnImageError(
            f"{reference} has the digest {error.found}", hint="the registry, or a proxy, is broken"
        ) from error
    except DocumentError as error:
        raise _unreadable(str(reference), error) from error
    if manifest is None:
        raise UsageError(
            f"there is no {reference}", hint="look at the tags of the repository; for a file write ./NAME"
        )
    return manifest


def _child(client: RegistryClient, digest: Digest, reference: Reference) -> ManifestDocument:
    """Read a manifest that the index at `reference` lists."""
    lost: Exception | None = None
    try:
        if manifest := read_manifest(client, digest):
            return manifest
    except WrongDigestError as error:
        lost = error
    except DocumentError as error:
        raise _unreadable(digest, error) from error
    raise NotAnImageError(
        f"{reference.name}@{digest} is missing or damaged: {reference} lists it",
        hint="publish the image again",
    ) from lost


def _of_manifest(name: str, manifest: ManifestDocument, client: RegistryClient) -> Inspection:
    try:
        image = read_image(client, manifest)
    except MalformedError as error:
        raise _unreadable(f"the config of {name}", error) from error
    except ValueError as error:
        reason = f"its config is not {error.expected}" if isinstance(error, WrongDigestError) else error
        raise NotAnImageError(
            f"{name}@{manifest.digest} is no image: {reason}",
            hint="another kind of artifact, or a broken push",
        ) from error
    return _of_existing(name, manifest.digest, image)


def _of_existing(name: str, digest: Digest, image: ExistingImage) -> Inspection:
    config = {key: value for key, value in image.config.items() if key not in {"history", "rootfs"}}
    history = image.config.get("history")
    platform = "/".join(str(config[key]) for key in ("os", "architecture", "variant") if config.get(key))
    return Inspection(
        name=name,
        digest=digest,
        platform=platform,
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


def _children(index: ManifestDocument, name: str) -> tuple[Digest, ...]:
    try:
        return index.children()
    except ValueError as error:
        raise NotAnImageError(
            f"{name} is no index: {error}", hint="a broken push; publish it again"
        ) from error


def _unreadable(name: str, error: DocumentError) -> NotAnImageError:
    return NotAnImageError(f"{name} can't be read: {error}", hint="a broken push; publish it again")
