"""What the image is to be called and to carry: references, labels and annotations from inputs and context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flakeship.errors import UsageError
from flakeship.metadata.annotations import Annotation
from flakeship.metadata.context import Context
from flakeship.metadata.engine import compute
from flakeship.metadata.labels import Labels
from flakeship.metadata.lists import where
from flakeship.registry.reference import Reference
from flakeship.settings import Settings


@dataclass(frozen=True, slots=True)
class Naming:
    """`references` are full ones, each once."""

    references: tuple[str, ...]
    labels: Labels
    annotations: tuple[Annotation, ...]
    warnings: tuple[str, ...]


def naming_of(settings: Settings, context: Context, *, variant: str = "") -> Naming:
    """UsageError for a malformed image name, tag, label or annotation. `variant` is what every tag ends with."""
    full, rules = _split(settings.tags)
    if rules and not settings.images:
        raise UsageError(
            f"tags: {where(rules[0])}{str(rules[0])!r} is a tag without a name",
            hint="name the image with `images`, or write the full reference: registry/repository:tag",
        )
    computed = compute(
        context,
        images=settings.images,
        tags=rules,
        labels=settings.labels,
        annotations=settings.annotations,
        auto_labels=settings.auto_labels,
    )
    named = () if full and not rules else (tag.reference for tag in computed.tags if settings.images)
    return Naming(
        references=tuple(varied(reference, variant) for reference in dict.fromkeys((*full, *named))),
        labels=computed.labels,
        annotations=computed.annotations,
        warnings=(*context.notices, *computed.warnings),
    )


def varied(reference: str, variant: str) -> str:
    """A full reference whose tag ends with `variant`."""
    tagged = not variant or Reference.parse(reference).tag
    return f"{reference}{variant}" if tagged else f"{reference}:latest{variant}"


def _split(tags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Full references, which docker/metadata-action hands over, apart from rules and bare tags."""
    full: list[str] = []
    rules: list[str] = []
    for line in tags:
        if line.startswith("type="):
            rules.append(line)
            continue
        for part in filter(None, (part.strip() for part in line.split(","))):
            (full if "/" in part or ":" in part else rules).append(part)
    return full, rules
