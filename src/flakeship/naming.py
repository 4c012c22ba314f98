"""What the image is to be called and to carry: references, labels and annotations from inputs and context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flakeship.errors import UsageError
from flakeship.metadata.annotations import parse_annotation
from flakeship.metadata.lists import pair
from flakeship.settings import Settings


@dataclass(frozen=True, slots=True)
class Naming:
    """Labels stand in groups, by their precedence over the image's own."""

    references: tuple[str, ...]
    labels: Mapping[str, str]
    override: Mapping[str, str] = field(default_factory=dict)
    fill: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def naming_of(settings: Settings) -> Naming:
    """UsageError for a malformed image name, tag, label or annotation."""
    return Naming(
        references=_references(settings.images, settings.tags),
        labels=dict(pair(line, what="a label") for line in settings.labels),
        annotations={
            annotation.key: annotation.value
            for line in settings.annotations
            for annotation in parse_annotation(line)
            if "manifest" in annotation.levels
        },
    )


def _references(images: tuple[str, ...], tags: tuple[str, ...]) -> tuple[str, ...]:
    full: list[str] = []
    bare: list[str] = []
    for tag in (part.strip() for line in tags for part in line.split(",")):
        (full if "/" in tag or ":" in tag else bare).append(tag)
    if bare and not images:
        raise UsageError(f"tags: {bare[0]!r} is a tag without a name", hint="name the image with `images`")
    return (*full, *(f"{image}:{tag}" for image in images for tag in bare))
