"""Why a path is in an image: the shortest chains of references, and what an SBOM tells of them when it is read again."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakeship.nix.closure import PathInfo
from flakeship.sbom.chains import References, chains_to, referrers, tops
from flakeship.sbom.components import Knowledge, bill_of
from flakeship.sbom.formats import written_as
from flakeship.sbom.reading import read_bill
from tests.testbed.store_images import store_path

GRAPH = References({"app": ("curl", "lib"), "tool": ("lib",), "curl": ("ssl",), "lib": ("ssl", "app2"), "ssl": (), "app2": ()})  # fmt: skip
PATHS = frozenset(GRAPH.below)


def test_the_shortest_chain_of_each_root() -> None:
    assert tops(PATHS, GRAPH) == {"app", "tool"}
    found = chains_to("ssl", tops(PATHS, GRAPH), referrers(PATHS, GRAPH), GRAPH)
    assert found.chains == (("app", "curl", "ssl"), ("tool", "lib", "ssl"))
    assert found.direct == ("curl", "lib")
    assert chains_to("app", ["app"], referrers(PATHS, GRAPH), GRAPH).chains == ()
    assert chains_to("ssl", ["tool"], referrers(PATHS - {"lib"}, GRAPH), GRAPH).chains == (), (
        "lib is not in the image"
    )


def test_what_refers_to_itself_or_in_a_circle_ends() -> None:
    circle = References({"a": ("a", "b"), "b": ("c",), "c": ("a",)})
    assert tops(circle.below, circle) == frozenset()
    assert chains_to("c", ["a"], referrers(circle.below, circle), circle).chains == (("a", "b", "c"),)
    assert chains_to("c", (), referrers(circle.below, circle), circle).chains == ()


@given(st.dictionaries(st.integers(0, 12), st.sets(st.integers(0, 12), max_size=4), max_size=13))
def test_every_chain_is_one_of_references_and_no_shorter_one_exists(graph: dict[int, set[int]]) -> None:
    below = {str(node): tuple(map(str, others)) for node, others in graph.items()}
    known = References(below)
    for target in below:
        for chain in chains_to(target, list(below), referrers(below, known), known).chains:
            assert chain[-1] == target
            assert all(lower in below[upper] for upper, lower in itertools.pairwise(chain))
            reached, steps = {chain[0]}, 0
            while target not in reached:
                reached |= {other for node in reached for other in below[node] if other in below}
                steps += 1
            assert len(chain) == steps + 1


def test_an_sbom_of_ours_is_read_again() -> None:
    app, ssl, ssl_bin = store_path("app-1"), store_path("openssl-3"), store_path("openssl-3-bin")
    infos = [
        PathInfo(app, "sha256-x", 100, (ssl_bin,), store_path("app-1.drv")),
        PathInfo(ssl, "sha256-x", 30, (), store_path("openssl-3.drv")),
        PathInfo(ssl_bin, "sha256-x", 5, (ssl,), store_path("openssl-3.drv")),
    ]
    paths = {info.path: info for info in infos}
    bill = bill_of(paths, Knowledge(paths), name="ghcr.io/o/n", version="sha256:1", created="1970-01-01T00:00:01Z", maker="1")  # fmt: skip
    found = read_bill(written_as(bill, "cyclonedx").encode())
    assert found.about == "ghcr.io/o/n@sha256:1"
    assert found.names == {app: ("app", "1"), ssl: ("openssl", "3"), ssl_bin: ("openssl", "3")}
    chains = chains_to(
        ssl, tops(paths, found.references), referrers(paths, found.references), found.references
    ).chains
    node = found.references.node(ssl)
    assert chains == ((app, node),), "the outputs of a derivation are one there"
    assert found.references.sizes == {app: 100, node: 35}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting"),
        ("[]", "not an SBOM"),
        ('{"spdxVersion": "SPDX-2.3"}', "not an SBOM of CycloneDX"),
        ('{"bomFormat": "CycloneDX"}', "no store path"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_sbom_of_ours(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_bill(text.encode())


ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just(f"{store_path('a')} out x 5"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["bom-ref", "name", "value", "properties", "components", "dependencies", "ref", "dependsOn"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["components", "dependencies", "metadata"]), ANY))
def test_an_sbom_of_any_types_is_refused_or_read(document: dict[str, Any]) -> None:
    try:
        found = read_bill(json.dumps({"bomFormat": "CycloneDX", **document}).encode())
    except ValueError:
        return
    assert found.names
