"""An SBOM of flakeship's, read again: which packages there are, and what refers to what. What others wrote has no store paths.

https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flakeship.sbom.chains import References
from flakeship.store_paths import store_path_of

_OUTPUT: Final = "nix:output"


@dataclass(frozen=True, slots=True)
class ReadBill:
    """`names` are name and version of each store path; `about` is how the SBOM calls its image; `references` are those between components that whoever wrote it knew."""

    about: str
    names: Mapping[str, tuple[str, str]]
    references: References


def read_bill(data: bytes) -> ReadBill:
    """Read a document of CycloneDX. ValueError for anything else, and where no store path is in it."""
    try:
        document = json.loads(data)
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error
    if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
        raise ValueError("it is not an SBOM of CycloneDX")
    names: dict[str, tuple[str, str]] = {}
    standing_for: dict[str, str] = {}
    sizes: dict[str, int] = {}
    of_ref: dict[str, str] = {}
    known: set[str] = set()
    for component in _objects(document.get("components")):
        outputs = list(_outputs(component))
        if not outputs:
            continue
        first = outputs[0][0]
        of_ref[_text(component.get("bom-ref"))] = first
        if all(size is not None for _, size in outputs):
            known.add(_text(component.get("bom-ref")))
        for path, size in outputs:
            names[path] = (_text(component.get("name")), _text(component.get("version")))
            standing_for[path] = first
            sizes[first] = sizes.get(first, 0) + (size or 0)
    if not names:
        raise ValueError("no store path is in it")
    below = {
        of_ref[ref]: tuple(of_ref[each] for each in _texts(node.get("dependsOn")) if each in of_ref)
        for node in _objects(document.get("dependencies"))
        if (ref := _text(node.get("ref"))) in known
    }
    return ReadBill(
        _about(document), names, References(below, {k: v for k, v in sizes.items() if v}, standing_for)
    )


def _about(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    component = metadata.get("component") if isinstance(metadata, dict) else None
    if not isinstance(component, dict):
        return ""
    return "@".join(filter(None, (_text(component.get("name")), _text(component.get("version")))))


def _outputs(component: Mapping[str, Any]) -> Iterator[tuple[str, int | None]]:
    """Each store path with the size of its NAR; None for a path that Nix did not know, of which no references are known either."""
    for fact in _objects(component.get("properties")):
        words = _text(fact.get("value")).split()
        if fact.get("name") == _OUTPUT and words and store_path_of(words[0]) == words[0]:
            yield words[0], int(words[3]) if len(words) > 3 and words[3].isdecimal() else None


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> Iterable[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
