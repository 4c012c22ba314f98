"""Names, purls, CPEs, hashes and licences: one row for each rule."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from license_expression import get_spdx_licensing  # type: ignore[import-untyped]

from flakeship.nix.derivation_files import read_derivations
from flakeship.nix.licences import read_licences
from flakeship.nix.package_meta import PackageMeta
from flakeship.sbom.components import Knowledge
from flakeship.sbom.cpe import cpe_of
from flakeship.sbom.formats import written_as
from flakeship.sbom.identity import nix_purl, registry_purl, split_name
from flakeship.sbom.license_ids import LICENSE_IDS
from flakeship.sbom.origins import hex_digest
from flakeship.sbom.reading import read_bill
from flakeship.sbom.written import address
from tests.sbom.knowing import HASH, bill, derivation, path_info, store_path
from tests.sbom.validators import cyclonedx_of, spdx_of


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("hello-2.12", ("hello", "2.12")),
        ("source", ("source", "")),
        ("python3.11-flask-3.0", ("python3.11-flask", "3.0")),
        ("gcc-13.2.0-lib", ("gcc", "13.2.0-lib")),
        ("x-0-unstable-2024-01-02", ("x", "0-unstable-2024-01-02")),
        ("-1", ("-1", "")),
    ],
)
def test_a_version_begins_where_nix_says(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    ("name", "stated", "found"),
    [
        ("tool-1.2", {}, ("tool", "1.2")),
        ("tool-1.2", {"pname": "tool"}, ("tool", "1.2")),
        ("tool-wrapped", {"pname": "tool"}, ("tool", "")),
        ("other-9", {"pname": "tool"}, ("tool", "")),
        ("9", {"pname": "tool"}, ("tool", "")),
        ("tool-1.2", {"version": "3"}, ("tool", "3")),
        ("tool-1.2", {"pname": "x", "version": "3"}, ("x", "3")),
    ],
)
def test_what_a_derivation_states_comes_before_its_name(
    name: str, stated: dict[str, Any], found: tuple[str, str]
) -> None:
    path = store_path(name)
    made = derivation(name, {"out": path}, **stated)
    (component,) = bill(Knowledge({path: path_info(path, deriver=made.path)}, {made.path: made})).components
    assert (component.name, component.version) == found


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://h.example/a b.tar.gz?x=1#y", "https://h.example/a%20b.tar.gz?x=1#y"),
        ("https://h.example/100%", "https://h.example/100%25"),
        ("https://h.example/x?y=[1]", ""),
        ("https://h.example/x#y#z", ""),
        ("https://h.example/x\ny\x07", "https://h.example/x%20y"),
        ("https://me:secret@h.example/", ""),
        ("https://h.example:99999/", ""),
        ("git@github.com:o/r", ""),
        ("mailto:somebody", ""),
        ("mirror://gnu/x.tar.gz", "mirror://gnu/x.tar.gz"),
        ("/nix/store/x.patch", "/nix/store/x.patch"),
        ("./ü", "./%C3%BC"),
    ],
)
def test_an_address_is_one_for_every_reader_or_left_out(text: str, url: str) -> None:
    assert address(text) == url


@pytest.mark.parametrize(
    ("url", "version", "purl"),
    [
        ("https://crates.io/api/v1/crates/ripgrep/14.1.0/download", "14.1.0", "pkg:cargo/ripgrep@14.1.0"),
        (
            "https://static.crates.io/crates/ripgrep/ripgrep-14.1.0.crate",
            "14.1.0",
            "pkg:cargo/ripgrep@14.1.0",
        ),
        ("mirror://pypi/F/Flask_Cors/Flask_Cors-3.0.tar.gz", "3.0", "pkg:pypi/flask-cors@3.0"),
        (
            "https://files.pythonhosted.org/ab/cd/flask-3.0-py3-none-any.whl",
            "3.0",
            "pkg:pypi/flask@3.0",
        ),
        (
            "https://registry.npmjs.org/@types/node/-/node-20.1.0.tgz",
            "20.1.0",
            "pkg:npm/%40types/node@20.1.0",
        ),
        ("https://rubygems.org/gems/rack-2.2.8.gem", "2.2.8", "pkg:gem/rack@2.2.8"),
        ("mirror://hackage/aeson-2.1/aeson-2.1.tar.gz", "2.1", "pkg:hackage/aeson@2.1"),
        ("mirror://cpan/authors/id/G/GA/GAAS/URI-5.21.tar.gz", "5.21", "pkg:cpan/GAAS/URI@5.21"),
        ("https://crates.io/api/v1/crates/ripgrep/14.1.0/download", "14.1.1", ""),
        ("https://example.org/crates/ripgrep/ripgrep-14.1.0.crate", "14.1.0", ""),
        ("https://github.com/pallets/flask/archive/3.0.tar.gz", "3.0", ""),
        ("mirror://pypi/F/Flask/Flask-3.0.tar.gz", "", ""),
    ],
)
def test_a_registry_is_named_only_where_the_source_proves_it(url: str, version: str, purl: str) -> None:
    assert registry_purl(url, version) == purl


def test_a_purl_is_quoted() -> None:
    assert nix_purl("gtk+", "3.0+b 1") == "pkg:nix/gtk%2B@3.0%2Bb%201"
    assert nix_purl("source", "") == "pkg:nix/source"


@pytest.mark.parametrize(
    ("name", "version", "stated", "cpe"),
    [
        ("glibc", "2.40-66", "", "known cpe:2.3:a:gnu:glibc:2.40:*:*:*:*:*:*:*"),
        ("openssh", "9.9p2", "", "known cpe:2.3:a:openbsd:openssh:9.9:p2:*:*:*:*:*:*"),
        ("gtk+", "3.24", "", r"guessed cpe:2.3:a:gtk\+:gtk\+:3.24:*:*:*:*:*:*:*"),
        ("x", "1", "cpe:2.3:a:y:x:1:*:*:*:*:*:*:*", "stated cpe:2.3:a:y:x:1:*:*:*:*:*:*:*"),
        ("x", "1", "cpe:/a:y:x", "guessed cpe:2.3:a:x:x:1:*:*:*:*:*:*:*"),
        ("x", "", "", ""),
        ("x", "0-unstable-2024-01-02", "", ""),
        ("x y", "1", "", ""),
    ],
)
def test_a_cpe_says_who_vouches_for_it(name: str, version: str, stated: str, cpe: str) -> None:
    found = cpe_of(name, version, stated)
    assert (f"{found.certainty} {found.text}" if found else "") == cpe


@pytest.mark.parametrize(
    ("stated", "algorithm"),
    [
        ("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ""),
        ("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "sha256"),
        ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256"),
        ("0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73", "sha256"),
        ("sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73", ""),
    ],
)
def test_a_hash_is_read_however_nix_spells_it(stated: str, algorithm: str) -> None:
    expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert hex_digest(stated, algorithm) == ("sha256", expected)


@pytest.mark.parametrize("stated", ["", "sha256-???", "sha512-47DE", "sha3-abc", "zz"])
def test_what_is_no_hash_is_left_out(stated: str) -> None:
    assert hex_digest(stated) == ("", "")


def test_the_identifiers_are_those_of_the_validators() -> None:
    licensing = get_spdx_licensing()
    assert [name for name in LICENSE_IDS if licensing.validate(name).errors] == []
    assert {"MIT", "Apache-2.0", "GPL-3.0-or-later", "GPL-2.0"} <= LICENSE_IDS


def test_a_licence_that_is_none_keeps_the_documents_valid() -> None:
    path = store_path("x-1")
    names = ("MIT", "unfree", "my licence", "my-licence", "MIT OR Apache-2.0")
    one = bill(Knowledge({path: path_info(path)}, {}, {path: PackageMeta("", (path,), licenses=names)}))
    (component,) = cyclonedx_of(one)["components"]
    assert component["licenses"] == [
        {"license": {"id": "MIT"}},
        *({"license": {"name": each}} for each in names[1:]),
    ]
    document = spdx_of(one)
    declared = document["packages"][1]["licenseDeclared"].split(" AND ")
    assert declared[:2] == ["MIT", "LicenseRef-unfree"]
    assert len(set(declared)) == len(document["hasExtractedLicensingInfos"]) + 1 == 5


def joined(operator: str, *parts: Any) -> dict[str, Any]:
    return {"operator": operator, "parts": parts}


@pytest.mark.parametrize(
    ("answer", "expression"),
    [
        ([joined("OR", "MIT", "Apache-2.0")], "MIT OR Apache-2.0"),
        (["Zlib", joined("OR", "MIT", "Apache-2.0")], "Zlib AND (MIT OR Apache-2.0)"),
        ([joined("AND", "Zlib", joined("OR", "MIT", joined("AND", "ISC", "curl")), joined("AND", "BSL-1.0"))], "Zlib AND (MIT OR (ISC AND curl)) AND BSL-1.0"),
        ([joined("WITH", "Apache-2.0", "LLVM-exception")], "Apache-2.0 WITH LLVM-exception"),
        ([joined("WITH", "Apache-2.0", "MIT")], "LicenseRef-Apache-2.0-with-MIT-…"),
        ([joined("+", "LGPL-2.1-only")], "LGPL-2.1-or-later"),
        ([joined("+", "EUPL-1.1")], "LicenseRef-EUPL-1.1-or-any-later-version-…"),
        ([joined("OR", "AGPL-3.0-only", "Own Words")], "AGPL-3.0-only OR LicenseRef-Own-Words-…"),
        ([joined("OR", "MIT", "\x01"), "Zlib"], "Zlib"),
        ([joined("OR", "MIT", "")], None),
        ([joined("XOR", "MIT"), joined("OR"), 5, None, {}], None),
    ],
)  # fmt: skip
def test_licences_that_are_joined_are_one_expression(answer: list[Any], expression: str | None) -> None:
    """Of a choice of which a part says nothing, the rest would be false."""
    path = store_path("x-1")
    meta = PackageMeta("", (path,), licenses=read_licences(answer))
    one = bill(Knowledge({path: path_info(path)}, {}, {path: meta}))
    (component,) = cyclonedx_of(one)["components"]
    found = [each["expression"] for each in component.get("licenses", [])]
    assert [re.sub(r"-[0-9a-f]{8}$", "-…", text) for text in found] == ([expression] if expression else [])
    document = spdx_of(one)
    declared = document["packages"][1]["licenseDeclared"]
    assert [declared] == (found or ["NOASSERTION"])
    assert {each["licenseId"] for each in document.get("hasExtractedLicensingInfos", [])} == set(
        re.findall(r"LicenseRef-[A-Za-z0-9.-]+", declared)
    )


def test_what_nobody_knows_to_be_whole_is_called_so() -> None:
    """An empty list of dependencies would say that a package needs nothing, and a list of packages that these are all."""
    known, unknown = store_path("known-1"), store_path("unknown-1")
    one = bill(Knowledge({known: path_info(known)}), unknown)
    ref = unknown.rpartition("/")[2]
    assert cyclonedx_of(one)["compositions"] == [{"aggregate": "unknown", "dependencies": [ref]}]
    needs = [each for each in spdx_of(one)["relationships"] if each["relationshipType"] == "DEPENDS_ON"]
    assert [(each["spdxElementId"], each["relatedSpdxElement"]) for each in needs] == [
        (f"SPDXRef-{ref[:32]}", "NOASSERTION")
    ]
    read = read_bill(written_as(one, "cyclonedx").encode())
    assert set(read.references.below) == {known}
    partly = replace(one, counts=replace(one.counts, layers_unread=2))
    assert {"aggregate": "incomplete", "assemblies": ["image"]} in cyclonedx_of(partly)["compositions"]
    assert "compositions" not in cyclonedx_of(bill(Knowledge({known: path_info(known)})))


def test_a_circle_of_components_is_reached_from_the_image() -> None:
    one, two, far = (store_path(name) for name in ("one-1", "two-1", "far-1"))
    known = Knowledge({one: path_info(one, two), two: path_info(two, one, far), far: path_info(far)})
    nodes = {node["ref"]: node["dependsOn"] for node in cyclonedx_of(bill(known))["dependencies"]}
    assert len(nodes["image"]) == 1
    assert sorted(map(len, nodes.values())) == [0, 1, 1, 2]


def test_a_password_in_an_address_is_told_nobody() -> None:
    source = derivation(
        "x.src", {"out": store_path("x.src")}, url="https://me:secret@h.example/x", outputHash="x"
    )
    path = store_path("x-1")
    made = derivation("x-1", {"out": path}, (source.path,), src=source.outputs["out"])
    known = Knowledge(
        {path: path_info(path, deriver=made.path)}, {each.path: each for each in (source, made)}
    )
    assert "secret" not in json.dumps([cyclonedx_of(bill(known)), spdx_of(bill(known))])


TARBALL = "https://crates.io/api/v1/crates/x/1/download"
NAMED = "https://files.example/data-1.tar.gz"


def made_of(*sources: dict[str, Any]) -> dict[str, Any]:
    """The component of a derivation with these sources."""
    fetched = [
        derivation(f"s{number}", {"out": store_path(f"s{number}")}, outputHash=HASH, **source)
        for number, source in enumerate(sources)
    ]
    path = store_path("x-1")
    made = derivation("x-1", {"out": path}, tuple(each.path for each in fetched), version="1", srcs=[each.outputs["out"] for each in fetched])  # fmt: skip
    known = Knowledge(
        {path: path_info(path, deriver=made.path)}, {each.path: each for each in (*fetched, made)}
    )
    spdx_of(bill(known))
    component: dict[str, Any] = cyclonedx_of(bill(known))["components"][0]
    return component


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "has_hash", "comment"),
    [
        ({}, True, False),
        ({"outputHashMode": "flat"}, True, False),
        ({"outputHashMode": "recursive"}, False, True),
        ({"outputHashMode": "nar"}, False, True),
        ({"outputHashMode": "git"}, False, False),
        ({"postFetch": "sed -i s/a/b/ $out"}, False, False),
        ({"outputHashMode": "recursive", "postFetch": "unzip"}, False, True),
    ],
)
def test_a_hash_stands_beside_a_url_only_if_it_is_that_of_the_file_there(
    source: dict[str, str], *, has_hash: bool, comment: bool
) -> None:
    (found,) = made_of({"url": TARBALL, **source})["externalReferences"]
    assert ("hashes" in found, "comment" in found) == (has_hash, comment)


def test_only_the_first_source_proves_what_a_package_is() -> None:
    assert made_of({"url": TARBALL}, {"url": NAMED})["purl"] == "pkg:cargo/x@1"
    assert made_of({"url": NAMED}, {"url": TARBALL})["purl"] == "pkg:nix/x@1"


FETCHER = store_path("b.drv")
SOURCE = store_path("b")
OLD: dict[str, Any] = {
    "outputs": {"out": {"path": "/nix/store/x-a-1"}},
    "inputDrvs": {FETCHER: ["out"], store_path("c.drv"): ["out"]},
    "env": {"pname": "a", "src": SOURCE, "buildCommand": "long"},
}
STRUCTURED = {**OLD, "env": {"__json": json.dumps({"pname": "a", "src": SOURCE})}}
NEW = {
    "outputs": {"out": {"path": "x-a-1"}},
    "inputs": {"drvs": {FETCHER.rpartition("/")[2]: {"outputs": ["out"]}}, "srcs": []},
    "env": {},
    "structuredAttrs": {"pname": "a", "src": SOURCE},
    "name": "a-1",
}


@pytest.mark.parametrize(
    "document",
    [
        {"/nix/store/z-a-1.drv": OLD},
        {"/nix/store/z-a-1.drv": STRUCTURED},
        {"derivations": {"z-a-1.drv": NEW}, "version": 4},
        {"/nix/store/z-a-1.drv": OLD, "/nix/store/w.drv": {"odd": 1}},
    ],
)
def test_derivations_are_read_in_the_forms_of_all_versions(document: Any) -> None:
    (found,) = read_derivations(document)
    assert found.path == "/nix/store/z-a-1.drv"
    assert found.outputs == {"out": "/nix/store/x-a-1"}
    assert found.fetchers == (FETCHER,)
    assert found.text("pname") == "a"
    assert "buildCommand" not in found.attributes
