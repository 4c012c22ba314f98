"""The output of `flakeship inspect`: one image as text, or all as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flakeship.printable import escaped_json, printable
from flakeship.report.plain import size_of
from flakeship.store_paths import name_of

_WIDTH: Final = 100
_RUNTIME: Final = (
    "Entrypoint",
    "Cmd",
    "User",
    "WorkingDir",
    "StopSignal",
    "ExposedPorts",
    "Volumes",
    "Healthcheck",
)


@dataclass(frozen=True, slots=True)
class InspectedLayer:
    """One layer. `digest` and `size` are those of the compressed blob or, without a manifest, those of the tar.

    `digest`, `diff_id` and `size` (in bytes) are None if the whole layer would have to be read for them.
    `comment` is the history's text for a layer without `store_paths`.
    """

    digest: str | None
    diff_id: str | None
    size: int | None
    store_paths: tuple[str, ...]
    comment: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """One image of one platform. `digest` is that of its manifest, and empty if it has no manifest."""

    name: str
    digest: str
    platform: str
    names: tuple[str, ...]
    config: Mapping[str, Any]
    annotations: Mapping[str, str]
    layers: tuple[InspectedLayer, ...]

    @property
    def runtime(self) -> Mapping[str, Any]:
        """The `config` object of the image's configuration; empty if it is missing or malformed."""
        found = self.config.get("config")
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class InspectedArtifact:
    """What an index lists beside images. `size` is in bytes, of its manifest; `subject` is empty where it names none."""

    name: str
    digest: str
    artifact_type: str
    subject: str
    size: int
    annotations: Mapping[str, str]


def inspections_json(found: Sequence[Inspection | InspectedArtifact]) -> str:
    """Return a JSON array with one object for each platform and each artifact."""
    documents = [_document(each) if isinstance(each, Inspection) else _of_artifact(each) for each in found]
    return escaped_json(json.dumps(documents, indent=2, ensure_ascii=False))


def inspection_text(image: Inspection | InspectedArtifact) -> str:
    """Return the image as lines of text, the layers at the end; of an artifact what its entry says."""
    if isinstance(image, InspectedArtifact):
        return "\n".join(_aligned(_rows_of_artifact(image)))
    lines = _aligned(_rows(image))
    sizes = [layer.size for layer in image.layers]
    total = f", {size_of(sum(filter(None, sizes)))}" if all(size is not None for size in sizes) else ""
    return "\n".join(
        [
            *lines,
            "",
            *(line for layer in image.layers for line in _lines(layer)),
            f"{len(sizes)} layers{total}",
        ]
    )


def _aligned(rows: Iterable[tuple[str, str]]) -> list[str]:
    shown = [(name, printable(text)[:_WIDTH]) for name, text in rows]
    width = max(len(name) for name, _ in shown)
    return [f"{name:<{width}}  {text}" for name, text in shown]


def _rows_of_artifact(artifact: InspectedArtifact) -> Iterator[tuple[str, str]]:
    yield "image", artifact.name
    yield "artifact", artifact.artifact_type
    yield "digest", artifact.digest
    if artifact.subject:
        yield "about", artifact.subject
    for key, value in sorted(artifact.annotations.items()):
        yield "annotation", f"{key}={value}"


def _rows(image: Inspection) -> Iterator[tuple[str, str]]:
    yield "image", image.name
    yield from (("named", name) for name in image.names)
    if image.digest:
        yield "digest", image.digest
    yield "platform", image.platform
    if version := image.config.get("os.version"):
        yield "os.version", str(version)
    if created := image.config.get("created"):
        yield "created", str(created)
    for key in _RUNTIME:
        if value := image.runtime.get(key):
            yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    env, labels = image.runtime.get("Env") or [], image.runtime.get("Labels") or {}
    if isinstance(env, list):
        yield from (("Env", str(entry)) for entry in env)
    else:  # no engine takes it, which is what one who looks wants to see
        yield "Env", json.dumps(env, ensure_ascii=False)
    if isinstance(labels, dict):
        yield from (("label", f"{key}={value}") for key, value in sorted(labels.items()))
    else:
        yield "Labels", json.dumps(labels, ensure_ascii=False)
    for key, value in sorted(image.annotations.items()):
        yield "annotation", f"{key}={value}"


def _lines(layer: InspectedLayer) -> Iterator[str]:
    size = "" if layer.size is None else size_of(layer.size)
    contents = [name_of(path) for path in layer.store_paths] or [printable(layer.comment)[:_WIDTH]]
    yield f"{(layer.digest or layer.diff_id or '')[7:19]:<12}  {size:>9}  {contents[0]}"
    for content in contents[1:]:
        yield f"{'':<12}  {'':>9}  {content}"


def _document(image: Inspection) -> dict[str, Any]:
    return {
        "image": image.name,
        "names": list(image.names),
        "digest": image.digest or None,
        "platform": image.platform,
        "config": dict(image.config),
        "annotations": dict(image.annotations),
        "layers": [
            {
                "digest": layer.digest,
                "diff_id": layer.diff_id,
                "size": layer.size,
                "store_paths": list(layer.store_paths),
                "comment": layer.comment,
            }
            for layer in image.layers
        ],
    }


def _of_artifact(artifact: InspectedArtifact) -> dict[str, Any]:
    """An object with the keys of an image too, so that what reads those finds nothing and not an error."""
    return {
        "image": artifact.name,
        "names": [],
        "digest": artifact.digest,
        "platform": None,
        "artifact_type": artifact.artifact_type,
        "subject": artifact.subject or None,
        "size": artifact.size,
        "config": {},
        "annotations": dict(artifact.annotations),
        "layers": [],
    }
