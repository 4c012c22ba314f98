"""What a run hands on: the lines of stdout, the outputs of a step, the metadata file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flakeship.errors import ResourceError
from flakeship.image.model import Packed
from flakeship.sinks.delivery import Published


def references(published: Sequence[Published]) -> tuple[str, ...]:
    return tuple(item.reference for item in published)


def outputs(packed: Packed, published: Sequence[Published]) -> dict[str, str]:
    """By the names that settings.OUTPUTS declares."""
    return {
        "digest": packed.descriptor.digest,
        "imageid": packed.config_descriptor.digest,
        "refs": "\n".join(references(published)),
        "tags": "\n".join(tag for item in published if item.sent for tag in item.tags),
        "pushed": str(any(item.sent and item.tags for item in published)).lower(),
        "metadata": json.dumps(metadata(packed, published), separators=(",", ":")),
    }


def metadata(packed: Packed, published: Sequence[Published]) -> dict[str, Any]:
    """With the keys of build-push-action, https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file."""
    return {
        "containerimage.config.digest": packed.config_descriptor.digest,
        "containerimage.descriptor": packed.descriptor.to_json(),
        "containerimage.digest": packed.descriptor.digest,
        "image.name": ",".join(tag for item in published for tag in item.tags),
        "flakeship.destinations": [_destination(item) for item in published],
        "flakeship.labels": dict(packed.image.config.get("config", {}).get("Labels", {})),
    }


def write_metadata(path: Path, document: Mapping[str, Any]) -> None:
    """ResourceError where the file can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ResourceError(
            f"cannot write the metadata file {path}: {error.strerror}; the image is where it should be",
            hint="name a file in a folder that can be written to",
        ) from error


def _destination(item: Published) -> dict[str, Any]:
    return {
        "name": item.destination,
        "reference": item.reference,
        "tags": list(item.tags),
        "sent": item.sent,
        "blobs": [{"digest": blob.digest, "size": blob.size, "state": blob.state} for blob in item.blobs],
    }
