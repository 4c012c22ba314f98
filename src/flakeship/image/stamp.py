"""Write what CI knows into an image: functions Image → Image that never touch a layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from flakeship.image.annotations import SEAL, UNSTAMP
from flakeship.image.document import decode_object, encode, merge_patch, patch_between
from flakeship.image.model import EMPTY, Image

FACTS: Final = frozenset(
    f"org.opencontainers.image.{key}"
    for key in ("revision", "created", "version", "source", "url", "title", "description", "licenses")
)
"""The labels that a run writes unasked: what CI, git and the flake know."""


def with_labels(image: Image, labels: Mapping[str, str]) -> Image:
    """Replace all labels of the image; with the labels that it has, the very same object is returned."""
    if labels == labels_of(image):
        return image
    runtime = image.config.get("config", {})
    return replace(image, config={**image.config, "config": {**runtime, "Labels": dict(labels)}})


def with_annotations(
    image: Image, annotations: Mapping[str, str], *, descriptor: Mapping[str, str] = EMPTY
) -> Image:
    """Add annotations to the manifest, and to its descriptor wherever that is listed; the new ones win."""
    if not annotations and not descriptor:
        return image
    return replace(
        image,
        annotations={**image.annotations, **annotations},
        descriptor_annotations={**image.descriptor_annotations, **descriptor},
    )


def with_created(image: Image, moment: datetime | None) -> Image:
    """Set `created` of the config; None leaves it as the image says. The history keeps its own dates."""
    if moment is None:
        return image
    return replace(image, config={**image.config, "created": rfc3339(moment)})


def with_record(image: Image, source: Image) -> Image:
    """Note what was overwritten since Nix made the image: by this stamping, and by earlier ones that `source` has on record."""
    # docs/decisions.md#the-unstamped-config-is-a-merge-patch
    if image.config == source.config:
        return image
    made, _ = unstamped(source.config, source.annotations)
    patch = patch_between(dict(image.config), made)
    if patch:
        return with_annotations(image, {UNSTAMP: encode(patch).decode()})
    return replace(
        image, annotations={key: value for key, value in image.annotations.items() if key != UNSTAMP}
    )


def rfc3339(moment: datetime) -> str:
    """Write the moment in UTC and to the second, as image-spec's `created` wants it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)  # glibc's year 1 is "1"


def labels_of(image: Image) -> Mapping[str, str]:
    """The labels that the config of the image holds."""
    labels: Mapping[str, str] = image.config.get("config", {}).get("Labels", {})
    return labels


def unstamped(
    config: Mapping[str, Any], annotations: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """A config document and the manifest's annotations as they were before `with_record`; what the record can't mean
    is left alone, for anybody may have written it.
    """
    kept = {key: value for key, value in annotations.items() if key not in {UNSTAMP, SEAL}}
    try:
        patch = decode_object(annotations.get(UNSTAMP, "{}").encode())
    except ValueError:
        return dict(config), kept
    own = {key: value for key, value in patch.items() if key not in {"rootfs", "history"}}
    return merge_patch(dict(config), own), kept


# docs/decisions.md#a-copy-keeps-what-users-wrote
def without_facts(
    config: Mapping[str, Any], annotations: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """A config document and the manifest's annotations as a run gets them that writes facts anew: those go back to what
    they were before `with_record`, date included, and what users wrote stays, on record.
    """
    made, kept = unstamped(config, annotations)
    runtime, before = config.get("config", {}), made.get("config", {})
    if not (isinstance(runtime, dict) and isinstance(before, dict)):
        return made, kept
    labels, own = runtime.get("Labels") or {}, before.get("Labels") or {}
    if not (isinstance(labels, dict) and isinstance(own, dict)):
        return made, kept
    users = {key: value for key, value in labels.items() if key not in FACTS}
    remaining = users | {key: value for key, value in own.items() if key in FACTS}
    given = dict(config)
    if remaining != labels:
        bare = {key: value for key, value in runtime.items() if key != "Labels"}
        given["config"] = {**bare, "Labels": remaining} if remaining else bare
    if "created" in made:
        given["created"] = made["created"]
    else:
        given.pop("created", None)
    if patch := patch_between(given, made):
        kept[UNSTAMP] = encode(patch).decode()
    return given, kept
