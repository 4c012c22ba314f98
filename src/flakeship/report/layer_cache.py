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


def layer_cache_text(folder: Path, layers: Sequence[KeptLayer]) -> str:
    """Return one line for the folder, then one for each layer."""
    lines = [f"{folder}: {counted(len(layers), 'layer')}, {size_of(sum(layer.size for layer in layers))}"]
    lines += [f"{layer.digest[:19]}  {size_of(layer.size):>9}  {ago(layer.idle)}" for layer in layers]
    return "\n".join(lines)


def layer_cache_json(folder: Path, layers: Sequence[KeptLayer]) -> str:
    """Return a JSON object with `folder`, `size` in bytes, and `layers`."""
    document = {
        "folder": str(folder),
        "size": sum(layer.size for layer in layers),
        "layers": [{**asdict(layer), "idle": round(layer.idle)} for layer in layers],
    }
    return json.dumps(document, indent=2)


def ago(seconds: float) -> str:
    """Say how long ago something was, in the largest unit of which there is a whole one: `3 d ago`."""
    for span, unit in _SPANS:
        if seconds >= span:
            return f"{seconds // span:.0f} {unit} ago"
    return "now"
