"""image-spec's own JSON schemas, from Debian's golang-github-opencontainers-image-spec-dev, formats checked."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any, Literal

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

FOLDER = Path("/usr/share/gocode/src/github.com/opencontainers/image-spec/schema")
Name = Literal["image-manifest", "config", "image-index", "image-layout"]

_formats = jsonschema.FormatChecker(formats=())
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@_formats.checks("date-time")
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or bool(_MOMENT.fullmatch(value))


@functools.cache
def _validator(name: Name) -> Any:
    documents = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    assert documents, f"{FOLDER} is empty: install golang-github-opencontainers-image-spec-dev"
    resources = {key: Resource.from_contents(document, DRAFT4) for key, document in documents.items()}
    registry: Any = Registry().with_resources(
        [
            item
            for key, resource in resources.items()
            for item in ((key, resource), (f"https://opencontainers.org/schema/image/{key}", resource))
        ]
    )
    registry = registry.with_resources(
        (f"https://opencontainers.org/schema/{key}", resource) for key, resource in resources.items()
    )
    return jsonschema.Draft4Validator(
        documents[f"{name}-schema.json"], registry=registry, format_checker=_formats
    )


def errors(name: Name, document: bytes) -> list[str]:
    """What the schema objects to."""
    return [error.message for error in _validator(name).iter_errors(json.loads(document))]
