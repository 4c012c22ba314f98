"""What each document says of a package of which everything is known: each row of the table in docs/sbom.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flakeship.nix.package_meta import PackageMeta
from flakeship.sbom.components import Knowledge
from flakeship.sbom.formats import FORMATS, Format, written_as
from flakeship.sbom.model import Bill
from tests.sbom.knowing import HASH, bill, derivation, path_info, store_path
from tests.sbom.validators import cyclonedx_of, spdx_of

OUT, BIN, LIB = store_path("tool-1.2-33"), store_path("tool-1.2-33-bin"), store_path("lib-3")
HEX = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
"""HASH in hex."""

CPE, GUESS = "cpe:2.3:a:tools:tool:1.2:*:*:*:*:*:*:*", "cpe:2.3:a:other:tool:1.2:*:*:*:*:*:*:*"


def everything() -> Bill:
    file = derivation("tool.tar.gz", {"out": store_path("tool.tar.gz")}, urls="mirror://a/tool.tar.gz https://b.example.org/tool.tar.gz", outputHash=HASH, outputHashMode="flat")  # fmt: skip
    tree = derivation("tool-src", {"out": store_path("tool-src")}, url="https://git.example/tool.git", rev="f00d", outputHash=HASH, outputHashMode="recursive")  # fmt: skip
    patch = derivation("fix.patch", {"out": store_path("fix.patch")}, url="https://b.example.org/fix.patch", outputHash=HASH)  # fmt: skip
    made = derivation(
        "tool-1.2-33",
        {"out": OUT, "bin": BIN},
        (file.path, tree.path, patch.path),
        pname="tool",
        version="1.2-33",
        srcs=[file.outputs["out"], tree.outputs["out"]],
        patches=[patch.outputs["out"], f"{store_path('x')}/CVE-2024-1-cve-2023-12345.patch"],
    )
    meta = PackageMeta(
        made.path, (OUT, BIN), "tool", "1.2-33", ("MIT", "unfree"), "https://tool.example/", "does it",
        "pkgs/tool.nix:7", CPE, (CPE, GUESS), "pkg:github/o/tool@1.2",
    )  # fmt: skip
    known = Knowledge(
        {OUT: path_info(OUT, BIN, LIB, deriver=made.path), BIN: path_info(BIN, LIB), LIB: path_info(LIB)},
        {each.path: each for each in (file, tree, patch, made)},
        {OUT: meta, BIN: meta},
    )
    return bill(known)


def test_each_field_of_cyclonedx() -> None:
    (found,) = (each for each in cyclonedx_of(everything())["components"] if each["name"] == "tool")
    assert found == {
        "type": "library",
        "bom-ref": OUT.rpartition("/")[2],
        "name": "tool",
        "version": "1.2-33",
        "description": "does it",
        "licenses": [{"license": {"id": "MIT"}}, {"license": {"name": "unfree"}}],
        "cpe": CPE,
        "purl": "pkg:nix/tool@1.2-33",
        "externalReferences": [
            {"type": "website", "url": "https://tool.example/"},
            *(
                {"type": "source-distribution", "url": url, "hashes": [{"alg": "SHA-256", "content": HEX}]}
                for url in ("mirror://a/tool.tar.gz", "https://b.example.org/tool.tar.gz")
            ),
            {
                "type": "vcs",
                "url": "https://git.example/tool.git",
                "comment": f"revision f00d; unpacked, its NAR archive has sha256:{HEX}",
            },
        ],
        "properties": [
            *(
                {"name": "nix:output", "value": f"{path} {name} {HASH} 4096"}
                for path, name in sorted([(OUT, "out"), (BIN, "bin")])
            ),
            {"name": "nix:derivation", "value": store_path("tool-1.2-33.drv")},
            {"name": "nix:position", "value": "pkgs/tool.nix:7"},
            {"name": "nix:source-purl", "value": "pkg:github/o/tool@1.2"},
            {"name": "flakeship:cpe", "value": "stated"},
        ],
        "pedigree": {
            "patches": [
                {"type": "unofficial", "diff": {"url": "https://b.example.org/fix.patch"}},
                {
                    "type": "unofficial",
                    "diff": {"url": f"{store_path('x')}/CVE-2024-1-cve-2023-12345.patch"},
                    "resolves": [{"type": "security", "id": "CVE-2023-12345"}],
                },
            ]
        },
        "evidence": {
            "identity": [{"field": "cpe", "confidence": 0.5, "concludedValue": text} for text in (CPE, GUESS)]
        },
    }


def test_each_field_of_spdx() -> None:
    document = spdx_of(everything())
    image = next(each for each in document["packages"] if each["SPDXID"] == "SPDXRef-image")
    assert (document["name"], image["name"], image["primaryPackagePurpose"]) == ("app", "app", "CONTAINER")
    assert spdx_of(replace(everything(), name="\x07"))["name"] == "image"
    (found,) = (each for each in document["packages"] if each["name"] == "tool")
    assert found == {
        "SPDXID": f"SPDXRef-{OUT.rpartition('/')[2][:32]}",
        "name": "tool",
        "versionInfo": "1.2-33",
        "downloadLocation": "https://b.example.org/tool.tar.gz",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "MIT AND LicenseRef-unfree",
        "copyrightText": "NOASSERTION",
        "description": "does it",
        "sourceInfo": "; ".join(
            (
                f"fetched from mirror://a/tool.tar.gz or https://b.example.org/tool.tar.gz (sha256:{HEX})",
                f"fetched from https://git.example/tool.git at revision f00d (NAR archive sha256:{HEX})",
                "patched by fix.patch",
                "patched by CVE-2024-1-cve-2023-12345.patch",
                f"built by {store_path('tool-1.2-33.drv')}",
                "homepage https://tool.example/",
                "described in pkgs/tool.nix:7",
                "source pkg:github/o/tool@1.2",
            )
        ),
        "comment": "; ".join((*(f"{path} (NAR {HASH}, 4096 bytes)" for path in sorted([OUT, BIN])), "CPE stated")),
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:nix/tool@1.2-33"},
            {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": CPE},
        ],
        "primaryPackagePurpose": "LIBRARY",
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_the_date_is_that_of_the_image_and_the_number_a_digest_of_all(form: Format) -> None:
    one = everything()
    documents = [
        written_as(each, form)
        for each in (
            one,
            replace(one, created="2026-01-02T03:04:05Z"),
            replace(one, name="other"),
            replace(one, components=one.components[1:]),
        )
    ]
    assert written_as(everything(), form) == documents[0]
    assert "2026-01-02T03:04:05Z" in documents[1]
    numbers = {
        text.rpartition(":")[2] if form == "cyclonedx" else text.rpartition("/")[2] for text in documents
    }
    assert len(numbers) == len(documents)
