"""An image that a destination held before this run, and its layers: which blob is which diff_id and had which key.

Whoever could write the image may have lied: what contradicts itself is not used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flakeship.image.annotations import LAYER_KEY, UNSTAMP
from flakeship.image.document import decode_object, merge_patch
from flakeship.image.engine_config import as_engines_read
from flakeship.image.media_types import CONFIGS, SUFFIX_OF_LAYER
from flakeship.image.model import Descriptor, Digest, Platform, parse_digest
from flakeship.image.seal import is_sealed

_LAYER_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class ExistingLayer:
    """`suffix` names the compression as in `Family.layers`; `key` is empty where no annotation says one; `where` is
    what holds the blob.
    """

    diff_id: Digest
    digest: Digest
    size: int
    suffix: str
    key: str
    where: str


@dataclass(frozen=True, slots=True)
class ExistingImage:
    """`where` is the repository, or the folder, that holds it."""

    where: str
    annotations: Mapping[str, str]
    config: Mapping[str, Any]
    layers: tuple[ExistingLayer | None, ...]
    """None for a layer of a kind that can't be used again: foreign, encrypted, of an unknown compression."""
    config_descriptor: Descriptor
    intact: bool
    """True if its seal shows that no other tool has changed the manifest since flakeship wrote it."""
    reference: str = ""
    """The name of the registry that led to it, `ghcr.io/owner/name:1`; empty in other places."""

    @property
    def platform(self) -> Platform:
        """The platform that its config states; what it leaves out is empty."""
        os, architecture, variant, version = (
            str(self.config.get(key) or "") for key in ("os", "architecture", "variant", "os.version")
        )
        return Platform(os, architecture, variant, version)

    @property
    def unstamped_config(self) -> dict[str, Any] | None:
        """The config as its source made it; None where no record says what was overwritten."""
        record = self.annotations.get(UNSTAMP)
        if record is None:
            return None
        try:
            patch = decode_object(record.encode())
        except ValueError:
            return None
        own = {key: value for key, value in patch.items() if key not in {"rootfs", "history"}}
        return dict(merge_patch(dict(self.config), own))


def children(index: Mapping[str, Any]) -> tuple[Digest, ...]:
    """The manifests of an index. ValueError for a document that is not an index."""
    entries = index.get("manifests")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("it lists no manifests")
    return tuple(parse_digest(entry.get("digest")) for entry in entries)


def config_of(manifest: Mapping[str, Any]) -> Descriptor:
    """ValueError where the manifest names no config of an image."""
    entry = manifest.get("config")
    if not isinstance(entry, dict) or media_type_of(entry) not in CONFIGS:
        raise ValueError("it names no config of an image")
    return Descriptor(entry["mediaType"], parse_digest(entry.get("digest")), _size(entry))


def existing_image(where: str, manifest: Mapping[str, Any], config: Mapping[str, Any]) -> ExistingImage:
    """ValueError where the two contradict each other."""
    rootfs = as_engines_read(config).get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    entries = manifest.get("layers")
    if not isinstance(diff_ids, list) or not isinstance(entries, list) or len(diff_ids) != len(entries):
        raise ValueError("its layers and its diff_ids are not the same number")
    if len(entries) > _LAYER_LIMIT:
        raise ValueError(f"it has more than {_LAYER_LIMIT} layers")
    layers = tuple(
        _layer(where, entry, parse_digest(diff_id)) for entry, diff_id in zip(entries, diff_ids, strict=True)
    )
    descriptor = config_of(manifest)
    _check_agreed(layers, descriptor)
    return ExistingImage(
        where=where,
        annotations=_texts(manifest.get("annotations") or {}),
        config=config,
        layers=layers,
        config_descriptor=descriptor,
        intact=is_sealed(manifest),
    )


def media_type_of(document: Mapping[str, Any]) -> str:
    """Return the media type that a manifest or a descriptor states; empty where it states none."""
    media_type = document.get("mediaType")
    return media_type if isinstance(media_type, str) else ""


def _check_agreed(layers: Iterable[ExistingLayer | None], config: Descriptor) -> None:
    """One blob is one layer of one size, whatever number of times it is named, and none is the config."""
    seen: dict[Digest, ExistingLayer] = {}
    for layer in filter(None, layers):
        if layer.digest == config.digest:
            raise ValueError(f"its config {config.digest} is one of its layers")
        first = seen.setdefault(layer.digest, layer)
        if (first.diff_id, first.size) != (layer.diff_id, layer.size):
            raise ValueError(f"it says two things of its layer {layer.digest}")


def _layer(where: str, entry: Any, diff_id: Digest) -> ExistingLayer | None:
    if not isinstance(entry, dict):
        raise ValueError("a layer is not a descriptor")  # noqa: TRY004  bad data, not a bug
    digest, size = parse_digest(entry.get("digest")), _size(entry)
    suffix = SUFFIX_OF_LAYER.get(media_type_of(entry))
    if suffix is None or entry.get("urls"):
        return None
    if (suffix == "") != (digest == diff_id):
        raise ValueError(f"layer {digest} has the diff_id {diff_id}, and another compression")
    annotations = _texts(entry.get("annotations") or {})
    return ExistingLayer(diff_id, digest, size, suffix, annotations.get(LAYER_KEY, ""), where)


def _size(entry: Mapping[str, Any]) -> int:
    size = entry.get("size")
    if type(size) is not int or not 0 < size < 2**50:
        raise ValueError(f"{entry.get('digest')} has the size {size!r}")
    return size


def _texts(annotations: Any) -> dict[str, str]:
    if not isinstance(annotations, dict) or not all(isinstance(item, str) for item in annotations.values()):
        raise ValueError("its annotations are not text")
    return annotations
