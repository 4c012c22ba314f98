"""An image that was looked at, as text for people and as JSON for programs."""

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
    """`digest` is the blob's and `size` its bytes where the image is packed, else both are those of the tar; None for
    what only reading would tell. `store_paths` are full ones, `comment` what the history says otherwise.
    """

    digest: str | None
    diff_id: str | None
    size: int | None
    store_paths: tuple[str, ...]
    comment: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """One image of one platform. `digest` is its manifest's, empty where it has none yet."""

    name: str
    digest: str
    platform: str
    names: tuple[str, ...]
    config: Mapping[str, Any]
    annotations: Mapping[str, str]
    layers: tuple[InspectedLayer, ...]

    @property
    def runtime(self) -> Mapping[str, Any]:
        found = self.config.get("config")
        return found if isinstance(found, dict) else {}


def inspections_json(images: Sequence[Inspection]) -> str:
    """An array with an object for each platform."""
    return json.dumps([_document(image) for image in images], indent=2, ensure_ascii=False)


def inspection_text(image: Inspection) -> str:
    rows = [(name, printable(text)[:_WIDTH]) for name, text in _rows(image)]
    width = max(len(name) for name, _ in rows)
    told = [f"{name:<{width}}  {text}" for name, text in rows]
    sizes = [layer.size for layer in image.layers]
    total = f", {size_of(sum(filter(None, sizes)))}" if all(size is not None for size in sizes) else ""
    return "\n".join(
        [
            *told,
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
