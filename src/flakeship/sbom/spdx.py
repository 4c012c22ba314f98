"""SPDX 2.3 as JSON: https://spdx.github.io/spdx-spec/v2.3/."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any, Final

from flakeship.sbom.licensing import declared, named_licences
from flakeship.sbom.model import Bill, Component, Origin
from flakeship.sbom.written import address, clean, document, location

_NAMESPACE: Final = "https://github.com/flakeship/flakeship/spdx/{}"
_IMAGE: Final = "SPDXRef-image"
_UNKNOWN: Final = "NOASSERTION"


def spdx(bill: Bill) -> str:
    """Return the document."""
    named = dict(found for each in bill.components for found in named_licences(each))
    body: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": clean(bill.name) or "image",
        "creationInfo": {
            "created": bill.created,
            "creators": [f"Tool: flakeship-{bill.maker}"],
            "comment": _tiers(bill),
        },
        "packages": itertools.chain([_image(bill)], map(_package, bill.components)),
        "relationships": _relationships(bill),
    }
    if named:
        body["hasExtractedLicensingInfos"] = [
            {
                "licenseId": ref,
                "name": name,
                "extractedText": f"The package calls its licence {name!r}.",
            }
            for ref, name in sorted(named.items())
        ]
    return document(body, "documentNamespace", _NAMESPACE)


def _tiers(bill: Bill) -> str:
    counts = bill.counts
    unread = f"; layers that were not looked into: {counts.layers_unread}" if counts.layers_unread else ""
    return (
        f"{counts.paths} store paths, of which Nix knows {counts.known}, "
        f"the derivations of {counts.with_derivation}, and what {counts.with_meta} say of themselves; the files of {counts.read} "
        f"were read, and {counts.carried} packages found inside them; {counts.unreadable} files are damaged or too large{unread}"
    )


def _image(bill: Bill) -> dict[str, Any]:
    made: dict[str, Any] = {
        "SPDXID": _IMAGE,
        "name": clean(bill.name) or "image",
        "versionInfo": clean(bill.version),
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "CONTAINER",
    }
    return {key: value for key, value in made.items() if value or value is False}


def _package(component: Component) -> dict[str, Any]:
    places = (location(_place(origin, url)) for origin in component.origins for url in origin.urls)
    made: dict[str, Any] = {
        "SPDXID": _ref(component.ref),
        "name": clean(component.name) or component.ref,
        "versionInfo": clean(component.version),
        "downloadLocation": next(filter(None, places), _UNKNOWN),
        "homepage": location(component.homepage),
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": declared(component) or _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "description": clean(component.description),
        "sourceInfo": "; ".join(_made_from(component)),
        "comment": "; ".join(_outputs(component)),
        "externalRefs": list(_identifiers(component)),
        "primaryPackagePurpose": "LIBRARY",
    }
    return {key: value for key, value in made.items() if value or value is False}


def _place(origin: Origin, url: str) -> str:
    """A repository is named with its revision: https://spdx.github.io/spdx-spec/v2.3/package-information/#77-package-download-location-field."""
    if not origin.revision or not url.startswith("https://"):
        return url
    return f"git+{url}@{origin.revision}"


def _made_from(component: Component) -> Iterator[str]:
    for origin in component.origins:
        kind = "" if origin.flat else "NAR archive "
        digest = f" ({kind}{origin.algorithm}:{origin.digest})" if origin.digest else ""
        if urls := " or ".join(filter(None, map(address, origin.urls))):  # no password among them
            revision = f" at revision {clean(origin.revision)}" if origin.revision else ""
            yield f"fetched from {urls}{revision}{digest}"
    for patch in component.patches:
        yield f"patched by {clean(patch.name)}"
    if component.derivation:
        yield f"built by {component.derivation}"
    if not location(component.homepage) and (url := address(component.homepage)):
        yield f"homepage {url}"  # at a domain that validators of SPDX do not know
    if component.position:
        yield f"described in {clean(component.position)}"
    if component.source_purl:
        yield f"source {clean(component.source_purl)}"
    if component.found_in:
        yield f"stated by {component.found_in}"
    if component.source:
        yield f"taken from {component.source}"


def _outputs(component: Component) -> Iterator[str]:
    for output in component.outputs:
        known = f" (NAR {output.nar_hash}, {output.nar_size} bytes)" if output.nar_hash else ""
        yield f"{output.path}{known}"
    if component.cpe:
        yield f"CPE {component.cpe.certainty}"


def _identifiers(component: Component) -> Iterator[dict[str, str]]:
    yield {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": component.purl,
    }
    if component.cpe:
        yield {
            "referenceCategory": "SECURITY",
            "referenceType": "cpe23Type",
            "referenceLocator": component.cpe.text,
        }


def _relationships(bill: Bill) -> Iterator[dict[str, str]]:
    yield _relationship("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE)
    for component in bill.components:
        yield _relationship(_IMAGE, "CONTAINS", _ref(component.ref))
    for component in bill.components:
        for other in component.depends_on:
            yield _relationship(_ref(component.ref), "DEPENDS_ON", _ref(other))
        if not component.knows_needs:
            yield _relationship(_ref(component.ref), "DEPENDS_ON", _UNKNOWN)


def _relationship(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _ref(name: str) -> str:
    """The hash that a name in the store begins with, in base 32: 20,000 packages have 150,000 relationships.

    Of a package inside a file it is a hash of its ref.
    """
    short = hashlib.sha256(name.encode()).hexdigest() if name.startswith("pkg:") else name
    return f"SPDXRef-{short[:32]}"
