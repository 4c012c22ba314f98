"""The output of `flakeship layers`: the layer cache as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from flakeship.printable import counted
from flakeship.report.plain import size_of

_SPANS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


@dataclass(frozen=True, slots=True)
class KeptLayer:
    """One blob of the layer cache. `diff_id` is empty if the cache has no entry that leads to the blob.

    `size` is in bytes, `idle` in seconds since the last use.
    """

    digest: str
    diff_id: str
    size: int
    idle: float


def layer_cache_text(
    folder: Path, layers: Sequence[KeptLayer], removed: Sequence[KeptLayer] | None = None
) -> str:
    """Return one line for what was removed, unless that was not asked for, one for the folder, then one for each layer."""
    lines = [] if removed is None else [f"removed {_counted(removed)}"]
    lines += [f"{folder}: {_counted(layers)}"]
    lines += [f"{layer.digest[:19]}  {size_of(layer.size):>9}  {ago(layer.idle)}" for layer in layers]
    return "\n".join(lines)


def layer_cache_json(
    folder: Path, layers: Sequence[KeptLayer], removed: Sequence[KeptLayer] | None = None
) -> str:
    """Return a JSON object with `folder`, `size` in bytes, and `layers`; with `removed` too, if that was asked for."""
    document = {
        "folder": str(folder),
        "size": sum(layer.size for layer in layers),
        "layers": _documents(layers),
    }
    return json.dumps(document if removed is None else {**document, "removed": _documents(removed)}, indent=2)


def _documents(layers: Sequence[KeptLayer]) -> list[dict[str, object]]:
    return [{**asdict(layer), "idle": round(layer.idle)} for layer in layers]


def _counted(layers: Sequence[KeptLayer]) -> str:
    return f"{counted(len(layers), 'layer')}, {size_of(sum(layer.size for layer in layers))}"


def ago(seconds: float) -> str:
    """Say how long ago something was, in the largest unit of which there is a whole one: `3 d ago`."""
    for span, unit in _SPANS:
        if seconds >= span:
            return f"{seconds // span:.0f} {unit} ago"
    return "now"
