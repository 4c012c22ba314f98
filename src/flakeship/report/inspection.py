"""The output of `flakeship inspect`: one image as text, or all as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flakeship.difference.model import total_of
from flakeship.image.annotations import SOURCE
from flakeship.printable import counted, escaped_json, printable
from flakeship.report.origin import origin_of
from flakeship.report.plain import size_of
from flakeship.store_paths import name_of

_WIDTH: Final = 100
_OWN: Final = "dev.flakeship."
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
    `comment` is the history's text for a layer without `store_paths`. `unpacked` is the size of the tar in bytes, None where
    the layer would have to be read for it.
    """

    digest: str | None
    diff_id: str | None
    size: int | None
    store_paths: tuple[str, ...]
    comment: str
    unpacked: int | None = None


@dataclass(frozen=True, slots=True)
class InspectedIndex:
    """The index that lists what is inspected."""

    digest: str
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Inspection:
    """One image of one platform. `digest` is that of its manifest, and empty if it has no manifest.

    `index` is None where no index led to it.
    """

    name: str
    digest: str
    platform: str
    names: tuple[str, ...]
    config: Mapping[str, Any]
    annotations: Mapping[str, str]
    layers: tuple[InspectedLayer, ...]
    index: InspectedIndex | None = None

    @property
    def size(self) -> int | None:
        """The bytes of all layers as they are kept; None where that is not known of each."""
        return total_of(layer.size for layer in self.layers)

    @property
    def unpacked(self) -> int | None:
        """The bytes of all layers' tars; None where that is not known of each."""
        return total_of(layer.unpacked for layer in self.layers)

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
    index: InspectedIndex | None = None


def inspections_text(found: Sequence[Inspection | InspectedArtifact]) -> str:
    """Return what is known of the index, if there is one, and of each image and artifact, with empty lines between."""
    index = found[0].index if found else None
    first = [_index_text(index, found)] if index else []
    return "\n\n".join([*first, *map(inspection_text, found)])


def inspections_json(found: Sequence[Inspection | InspectedArtifact]) -> str:
    """Return a JSON array with one object for each platform and each artifact."""
    documents = [_document(each) if isinstance(each, Inspection) else _of_artifact(each) for each in found]
    return escaped_json(json.dumps(documents, indent=2, ensure_ascii=False))


def inspection_text(image: Inspection | InspectedArtifact) -> str:
    """Return the image as lines of text, the layers at the end; of an artifact what its entry says."""
    if isinstance(image, InspectedArtifact):
        return "\n".join(_aligned(_rows_of_artifact(image)))
    layers = (line for layer in image.layers for line in _lines(layer))
    return "\n".join([*_aligned(_rows(image)), "", *layers, _total(image)])


def _index_text(index: InspectedIndex, found: Sequence[Inspection | InspectedArtifact]) -> str:
    artifacts = [each for each in found if isinstance(each, InspectedArtifact)]
    rows = [
        ("index", found[0].name),
        ("digest", index.digest),
        *(("holds", each.platform) for each in found if isinstance(each, Inspection)),
        *(("beside", each.artifact_type) for each in artifacts),
        *_annotations(index.annotations),
    ]
    return "\n".join(_aligned(rows))


def _total(image: Inspection) -> str:
    facts = [counted(len(image.layers), "layer")]
    if image.size is not None and image.size == image.unpacked:
        facts.append(f"{size_of(image.size)} unpacked")
    else:
        facts += [
            f"{size_of(size)} {how}"
            for size, how in ((image.size, "compressed"), (image.unpacked, "unpacked"))
            if size is not None
        ]
    return ", ".join(facts)


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
    labels = image.runtime.get("Labels") or {}
    if origin := origin_of({**image.annotations, **(labels if isinstance(labels, dict) else {})}):
        yield "built" if origin.startswith("at ") else "built from", origin
    yield from (("made of", path) for path in image.annotations.get(SOURCE, "").split())
    for key in _RUNTIME:
        if value := image.runtime.get(key):
            yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    env = image.runtime.get("Env") or []
    if isinstance(env, list):
        yield from (("Env", str(entry)) for entry in env)
    else:  # no engine takes it, which is what one who looks wants to see
        yield "Env", json.dumps(env, ensure_ascii=False)
    if isinstance(labels, dict):
        yield from (("label", f"{key}={value}") for key, value in sorted(labels.items()))
    else:
        yield "Labels", json.dumps(labels, ensure_ascii=False)
    yield from _annotations(image.annotations)


def _annotations(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the annotations; of those that flakeship reads again, how many there are: nobody else needs them."""
    own = [key for key in annotations if key.startswith(_OWN)]
    for key, value in sorted(annotations.items()):
        if key not in own:
            yield "annotation", f"{key}={value}"
    if own:
        yield "annotation", f"{len(own)} of flakeship's own ({_OWN}*), which --json shows"


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
        "index": _index_document(image.index),
        "platform": image.platform,
        "size": image.size,
        "unpacked_size": image.unpacked,
        "config": dict(image.config),
        "annotations": dict(image.annotations),
        "layers": [
            {
                "digest": layer.digest,
                "diff_id": layer.diff_id,
                "size": layer.size,
                "unpacked_size": layer.unpacked,
                "store_paths": list(layer.store_paths),
                "comment": layer.comment,
            }
            for layer in image.layers
        ],
    }


def _index_document(index: InspectedIndex | None) -> dict[str, Any] | None:
    return {"digest": index.digest, "annotations": dict(index.annotations)} if index else None


def _of_artifact(artifact: InspectedArtifact) -> dict[str, Any]:
    """An object with the keys of an image too, so that what reads those finds nothing and not an error."""
    return {
        "image": artifact.name,
        "names": [],
        "digest": artifact.digest,
        "index": _index_document(artifact.index),
        "platform": None,
        "artifact_type": artifact.artifact_type,
        "subject": artifact.subject or None,
        "size": artifact.size,
        "config": {},
        "annotations": dict(artifact.annotations),
        "layers": [],
    }
