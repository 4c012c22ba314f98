"""Documents of any image are valid, the same each time, and have every store path of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from flakeship.sbom.components import Knowledge
from flakeship.sbom.formats import FORMATS, written_as
from tests.sbom.knowing import ODD, bill, knowledge
from tests.sbom.validators import cyclonedx_of, spdx_of


def check_graph(cyclonedx: dict[str, Any], spdx: dict[str, Any]) -> None:
    """Both documents have one graph, in which everything is reached from the image."""
    nodes = {node["ref"]: node["dependsOn"] for node in cyclonedx["dependencies"]}
    ids = {ref: f"SPDXRef-{ref[:32]}" for ref in nodes} | {"image": "SPDXRef-image"}
    told: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for each in spdx["relationships"]:
        told[each["relationshipType"]].add((each["spdxElementId"], each["relatedSpdxElement"]))
    needs = {pair for pair in told["DEPENDS_ON"] if pair[1] != "NOASSERTION"}
    packages = {ref: below for ref, below in nodes.items() if ref != "image"}
    assert needs == {(ids[ref], ids[each]) for ref, below in packages.items() for each in below}
    assert told["CONTAINS"] == {("SPDXRef-image", ids[ref]) for ref in packages}
    assert told["DESCRIBES"] == {("SPDXRef-DOCUMENT", "SPDXRef-image")}
    reached: set[str] = set()
    ahead = ["image"]
    while ahead:
        if (ref := ahead.pop()) not in reached:
            reached.add(ref)
            ahead += nodes[ref]
    assert reached == {*nodes}


@pytest.mark.slow
@given(knowledge(), ODD)
def test_documents_of_any_image_are_valid_and_whole(made: tuple[Knowledge, list[str]], name: str) -> None:
    known, paths = made
    one = bill(known, *paths, name=name)
    cyclonedx, spdx = cyclonedx_of(one), spdx_of(one)
    listed = [
        fact["value"].split()[0]
        for component in cyclonedx["components"]
        for fact in component["properties"]
        if fact["name"] == "nix:output"
    ]
    assert sorted(listed) == sorted(set(paths))
    text = json.dumps(spdx)
    assert all(path in text for path in paths)
    check_graph(cyclonedx, spdx)
    for form in FORMATS:
        assert written_as(bill(known, *reversed(paths), name=name), form) == written_as(one, form)


@pytest.mark.long
def test_an_sbom_of_20000_paths_takes_little_memory() -> None:
    """How long it takes is measured elsewhere: bench/sbom.py, on a machine that does nothing else."""
    bench = Path(__file__).parents[2] / "bench/sbom.py"
    done = subprocess.run(
        [sys.executable, bench, "20000"], capture_output=True, text=True, check=True, timeout=600
    )
    peaks = [int(peak) for peak in re.findall(r"peak (\d+) MiB", done.stdout)]
    assert len(peaks) == len(FORMATS)
    assert max(peaks) <= 200
