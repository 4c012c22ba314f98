"""The output of `flakeship inspect`: one image as text, or all as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flakeship.printable import printable
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


def inspections_json(images: Sequence[Inspection]) -> str:
    """Return a JSON array with one object for each platform."""
    return json.dumps([_document(image) for image in images], indent=2, ensure_ascii=False)


def inspection_text(image: Inspection) -> str:
    """Return the image as lines of text, the layers at the end."""
    rows = [(name, printable(text)[:_WIDTH]) for name, text in _rows(image)]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {text}" for name, text in rows]
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


def _rows(image: Inspection) -> Iterator[tuple[str, str]]:
    yield "image", image.name
    yield from (("named", name) for name in image.names)
    if image.digest:
        yield "digest", image.digest
    yield "platform", image.platform
    if created := image.config.get("created"):
        yield "created", str(created)
    for key in _RUNTIME:
        if value := image.runtime.get(key):
            yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    yield from (("Env", str(entry)) for entry in image.runtime.get("Env") or ())
    for key, value in sorted((image.runtime.get("Labels") or {}).items()):
        yield "label", f"{key}={value}"
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
