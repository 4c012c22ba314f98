"""Writes metadata as text: the outputs of docker/metadata-action, its JSON and bake definitions, and explanations of tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from flakeship.metadata.annotations import PlatformLevel
from flakeship.metadata.engine import Metadata
from flakeship.metadata.labels import complete, ordered
from flakeship.metadata.syntax.lists import quoted_line

BAKE_TARGET: Final = "docker-metadata-action"
Bake = Literal["tags", "labels", "annotations", "tags-labels"]


def all_labels(metadata: Metadata) -> dict[str, str]:
    """Return the labels as docker/metadata-action does: eight keys of image-spec, empty where unknown, and the user's."""
    return _listed(metadata, metadata.labels.over({}))


def all_annotations(metadata: Metadata) -> list[str]:
    """Return `LEVEL:KEY=VALUE` for each level in turn, then the annotations whose lines name levels."""
    values = _listed(metadata, dict(metadata.annotation_pairs))
    lines = [f"{level}:{key}={value}" for level in metadata.levels for key, value in values.items()]
    for note in metadata.annotations_at_levels:
        levels = ",".join(str(PlatformLevel(level, note.platform)) for level in note.levels)
        lines.append(f"{levels}:{note.key}={note.value}")
    return lines


def _listed(metadata: Metadata, values: Mapping[str, str]) -> dict[str, str]:
    return ordered(complete(values) if metadata.auto_labels else values)


def to_json(metadata: Metadata) -> dict[str, Any]:
    """Return the document of the output `json` of docker/metadata-action."""
    return {
        "tags": [tag.reference for tag in metadata.tags],
        "tag-names": list(metadata.names),
        "labels": all_labels(metadata),
        "annotations": all_annotations(metadata),
    }


def outputs(metadata: Metadata, *, separators: tuple[str, str, str] = ("", "", "")) -> dict[str, str]:
    """Return the outputs of docker/metadata-action by their names, without those that are paths of bake files.

    `separators` are those of tags, labels and annotations; an empty one stands for a new line. What would not be read
    back as one line then, such as a value with a line break, stands in the quotes that Docker's actions read.
    """
    tags, labels, annotations = (separator or "\n" for separator in separators)
    written = (_label(key, value) for key, value in all_labels(metadata).items())
    return {
        "version": metadata.version,
        "tags": tags.join(tag.reference for tag in metadata.tags),
        "tag-names": tags.join(metadata.names),
        "labels": labels.join(line if separators[1] else quoted_line(line) for line in written),
        "annotations": annotations.join(
            line if separators[2] else quoted_line(line) for line in all_annotations(metadata)
        ),
        "json": json.dumps(to_json(metadata), ensure_ascii=False, separators=(",", ":")),
    }


def _label(key: str, value: str) -> str:
    return f"{key}={value}"


def bake_file(metadata: Metadata, kind: Bake = "tags-labels", *, target: str = BAKE_TARGET) -> str:
    """Return a definition for `docker buildx bake`: https://docs.docker.com/build/bake/reference/."""
    arguments = {"DOCKER_META_IMAGES": ",".join(metadata.images)}
    if metadata.version:
        arguments["DOCKER_META_VERSION"] = metadata.version
    tags: Mapping[str, Any] = {"tags": [tag.reference for tag in metadata.tags]}
    labels: Mapping[str, Any] = {"labels": all_labels(metadata)}
    definition = {
        "tags": {**tags, "args": arguments},
        "labels": labels,
        "annotations": {"annotations": all_annotations(metadata)},
        "tags-labels": {**tags, **labels, "args": arguments},
    }[kind]
    return json.dumps({"target": {target: definition}}, ensure_ascii=False, indent=2)


def as_text(metadata: Metadata) -> str:
    """Return version, tags, labels and annotations under headings, for people to read."""
    sections = {
        "Tags": [tag.reference for tag in metadata.tags],
        "Labels": [f"{key}={value}" for key, value in all_labels(metadata).items()],
        "Annotations": all_annotations(metadata),
    }
    parts = [f"Version\n  {metadata.version or '(none)'}\n"]
    for title, lines in sections.items():
        parts += [f"{title}\n", *(f"  {line}\n" for line in lines or ["(none)"])]
    return "".join(parts)


def explain(metadata: Metadata) -> str:
    """Return one line for each rule, with its tag or the reason why it has none; then the origin of `latest`."""
    rows = [(outcome.tag or "-", str(outcome.rule), outcome.reason) for outcome in metadata.outcomes]
    given = {outcome.tag for outcome in metadata.outcomes}
    rows += [(tag.name, tag.rule, "") for tag in dict.fromkeys(metadata.tags) if tag.name not in given]
    width = max(len(row[0]) for row in rows)
    seen = dict.fromkeys(
        f"{tag:{width}}  {rule}{f'  ({reason})' if reason else ''}" for tag, rule, reason in rows
    )
    return "".join(f"{line.rstrip()}\n" for line in seen)
