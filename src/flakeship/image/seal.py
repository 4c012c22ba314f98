"""The seal of a manifest: a digest of all else that it says, so that an image which another tool changed since is told
from one that is as flakeship left it. It proves nothing: whoever may write an image may write its seal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flakeship.image.annotations import SEAL
from flakeship.image.document import encode
from flakeship.image.model import digest_of


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest with its seal among the annotations."""
    annotations = {**manifest.get("annotations", {}), SEAL: _seal_of(manifest)}
    # docs/decisions.md#manifests-are-sealed
    return {**manifest, "annotations": annotations}


def is_sealed(manifest: Mapping[str, Any]) -> bool:
    """Return True if the manifest was not changed since it was sealed."""
    annotations = manifest.get("annotations")
    return isinstance(annotations, dict) and annotations.get(SEAL) == _seal_of(manifest)


def _seal_of(manifest: Mapping[str, Any]) -> str:
    annotations = {key: value for key, value in manifest.get("annotations", {}).items() if key != SEAL}
    return digest_of(encode({**manifest, "annotations": annotations}))
