"""The validators of both formats, as other programs use them: the schemas of CycloneDX, and the rules of SPDX."""

from __future__ import annotations

import functools
import json
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from flakeship.sbom.formats import written_as
from flakeship.sbom.model import Bill


@functools.cache
def _schema() -> JsonStrictValidator:
    return JsonStrictValidator(SchemaVersion.V1_6)


def cyclonedx_of(bill: Bill) -> dict[str, Any]:
    """Write the document, and return it once the validator has found no fault."""
    return valid_cyclonedx(written_as(bill, "cyclonedx"))


def valid_cyclonedx(text: str) -> dict[str, Any]:
    fault = _schema().validate_str(text)
    assert fault is None, fault
    document: dict[str, Any] = json.loads(text)
    refs = [component["bom-ref"] for component in document["components"]]
    assert len(set(refs)) == len(refs)
    for component in document["components"]:
        purl = PackageURL.from_string(component["purl"])
        assert purl.version is None or purl.version == component["version"], component
    nodes = {node["ref"]: node["dependsOn"] for node in document["dependencies"]}
    assert nodes.keys() == {*refs, "image"}, "each component has a node, also one without dependencies"
    assert all(below in nodes for each in nodes.values() for below in each)
    return document


def spdx_of(bill: Bill) -> dict[str, Any]:
    return valid_spdx(written_as(bill, "spdx"))


def valid_spdx(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    faults = validate_full_spdx_document(JsonLikeDictParser().parse(document))  # type: ignore[no-untyped-call]
    assert not faults, [fault.validation_message for fault in faults]
    return document
