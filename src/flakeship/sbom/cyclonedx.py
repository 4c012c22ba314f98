"""CycloneDX 1.6 as JSON: https://cyclonedx.org/docs/1.6/json/. Newer versions are refused by scanners that people use.

docs/decisions.md#cyclonedx-stays-at-version-16
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from flakeship.sbom.license_ids import LICENSE_IDS
from flakeship.sbom.licensing import declared, stated_licences
from flakeship.sbom.model import Bill, Component, Origin, Patch
from flakeship.sbom.written import address, clean, document

_ALGORITHMS: Final = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512"}
_FLAW: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,7}", re.IGNORECASE)
_IMAGE: Final = "image"


def cyclonedx(bill: Bill) -> str:
    """Return the document."""
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": _metadata(bill),
        "components": map(_component, bill.components),
        "dependencies": _dependencies(bill),
    }
    if compositions := list(_compositions(bill)):
        body["compositions"] = compositions
    return document(body, "serialNumber", "urn:uuid:{}")


def _compositions(bill: Bill) -> Iterator[dict[str, Any]]:
    """Where a list is not whole it says so: an empty one would say that there is nothing."""
    if bill.counts.layers_unread:
        yield {"aggregate": "incomplete", "assemblies": [_IMAGE]}
    if unknown := [each.ref for each in bill.components if not each.knows_needs]:
        yield {"aggregate": "unknown", "dependencies": unknown}


def _dependencies(bill: Bill) -> Iterator[dict[str, Any]]:
    """Each component has a node, also one that needs nothing."""
    yield {"ref": _IMAGE, "dependsOn": list(bill.roots)}
    for each in bill.components:
        yield {"ref": each.ref, "dependsOn": list(each.depends_on)}


def _metadata(bill: Bill) -> dict[str, Any]:
    counts = bill.counts
    return {
        "timestamp": bill.created,
        "tools": {"components": [{"type": "application", "name": "flakeship", "version": bill.maker}]},
        "component": {
            "type": "container",
            "bom-ref": _IMAGE,
            "name": clean(bill.name) or _IMAGE,
            **({"version": clean(bill.version)} if bill.version else {}),
        },
        "properties": _properties(
            ("flakeship:paths", str(counts.paths)),
            ("flakeship:paths-known", str(counts.known)),
            ("flakeship:paths-with-derivation", str(counts.with_derivation)),
            ("flakeship:paths-with-meta", str(counts.with_meta)),
            ("flakeship:paths-read", str(counts.read)),
            ("flakeship:packages-inside", str(counts.carried)),
            ("flakeship:files-unreadable", str(counts.unreadable)),
            ("flakeship:layers-unread", str(counts.layers_unread) if counts.layers_unread else ""),
        ),
    }


def _component(component: Component) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.ref,
        "name": clean(component.name) or component.ref,
        "version": clean(component.version),
        "description": clean(component.description),
        "licenses": _licenses(component),
        "cpe": component.cpe.text if component.cpe else "",
        "purl": component.purl,
        "externalReferences": list(_references(component)),
        "properties": _properties(*_facts(component)),
        "pedigree": {"patches": patches} if (patches := list(map(_patch, component.patches))) else None,
        "evidence": {"identity": identity} if (identity := list(_identity(component))) else None,
    }
    return {key: value for key, value in made.items() if value}


def _licenses(component: Component) -> list[dict[str, Any]]:
    """A list of licences, or one expression, since the format allows no expression beside others."""
    stated = stated_licences(component)
    names = [licence for licence in stated if isinstance(licence, str)]
    if len(names) < len(stated):
        return [{"expression": declared(component)}]
    return [{"license": _license(name)} for name in names]


def _license(name: str) -> dict[str, str]:
    return {"id": name} if name in LICENSE_IDS else {"name": clean(name)}


def _references(component: Component) -> Iterator[dict[str, Any]]:
    if url := address(component.homepage):
        yield {"type": "website", "url": url}
    seen = set()
    for origin in component.origins:
        for text in origin.urls:
            url = address(text)
            if url and url not in seen:
                seen.add(url)
                yield _fetched(origin, url)


def _fetched(origin: Origin, url: str) -> dict[str, Any]:
    """A digest stands beside a URL only where it is that of the file there."""
    made: dict[str, Any] = {"type": "vcs" if origin.revision else "source-distribution", "url": url}
    if origin.flat and origin.digest:
        made["hashes"] = [{"alg": _ALGORITHMS[origin.algorithm], "content": origin.digest}]
    elif origin.digest:
        made["comment"] = f"unpacked, its NAR archive has {origin.algorithm}:{origin.digest}"
    if origin.revision:
        about = f"revision {clean(origin.revision)}"
        made["comment"] = f"{about}; {made['comment']}" if "comment" in made else about
    return made


def _facts(component: Component) -> Iterator[tuple[str, str]]:
    for output in component.outputs:
        size = "" if output.nar_size is None else str(output.nar_size)
        known = (output.path, output.name or "-", output.nar_hash, size)
        yield "nix:output", " ".join(filter(None, known))
    yield "nix:derivation", component.derivation
    yield "nix:position", clean(component.position)
    yield "nix:source-purl", clean(component.source_purl)
    yield "flakeship:cpe", component.cpe.certainty if component.cpe else "none"
    yield "flakeship:found-in", component.found_in
    yield "cargo:source", component.source


def _properties(*facts: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in facts if value]


def _patch(patch: Patch) -> dict[str, Any]:
    """The name of a patch says which flaws it resolves."""
    flaws = sorted({flaw.upper() for flaw in _FLAW.findall(patch.name)})
    made: dict[str, Any] = {"type": "unofficial"}
    if url := address(patch.place):
        made["diff"] = {"url": url}
    if flaws:
        made["resolves"] = [{"type": "security", "id": flaw} for flaw in flaws]
    return made


def _identity(component: Component) -> Iterator[dict[str, Any]]:
    """The guesses of nixpkgs, of which one may be right."""
    possible = component.possible_cpes
    for text in possible:
        yield {"field": "cpe", "confidence": round(1 / len(possible), 3), "concludedValue": text}
