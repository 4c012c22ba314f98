"""The closure of a store path, from the real Nix and from the JSON of other versions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flakeship.errors import BuildError
from flakeship.nix.closure import closure, read_closure
from flakeship.nix.command import Nix
from tests.nix.samples import DEP, DEP_HASH, DRV, INVALID, OUT, OUT_HASH, PATH_INFO
from tests.testbed.nix import NixBuild


@pytest.mark.slow
def test_the_closure_of_a_package_is_complete_and_in_order(nix: Nix, shapes: NixBuild) -> None:
    hello = shapes("hello")
    bin_, self = closure(nix, str(hello))
    assert self.path == str(hello)
    assert self.references == (bin_.path,)
    assert bin_.path.endswith("-bin")
    assert bin_.references == ()
    assert self.nar_size > Path(hello, "bin/busybox").stat().st_size
    assert self.nar_hash.startswith("sha256-")


def test_a_path_that_is_not_in_the_store_is_refused(nix: Nix) -> None:
    with pytest.raises(BuildError):
        closure(nix, "/nix/store/" + "0" * 32 + "-nope")


@pytest.mark.parametrize("version", PATH_INFO)
def test_the_json_of_each_version_is_read(version: str) -> None:
    dep, out = read_closure(PATH_INFO[version])
    assert (dep.path, dep.nar_hash, dep.nar_size, dep.references, dep.deriver) == (
        DEP,
        DEP_HASH,
        1982736,
        (),
        "",
    )
    assert (out.path, out.nar_hash, out.nar_size, out.references, out.deriver) == (
        OUT,
        OUT_HASH,
        512,
        (DEP,),
        DRV,
    )


@pytest.mark.parametrize("version", INVALID)
def test_an_invalid_path_is_refused_in_the_json_of_each_version(version: str) -> None:
    with pytest.raises(BuildError, match="is not in the store") as caught:
        read_closure(INVALID[version])
    assert "build it first" in caught.value.hint


def entry(path: str, *references: str) -> dict[str, Any]:
    return {"path": path, "narHash": "h", "narSize": 1, "references": list(references)}


@pytest.mark.parametrize("document", [[entry("a", "b"), entry("b", "a")], [entry("a", "missing")]])
def test_an_inconsistent_database_is_refused(document: list[dict[str, Any]]) -> None:
    with pytest.raises(BuildError, match="inconsistent") as caught:
        read_closure(document)
    assert "--verify" in caught.value.hint


def test_the_order_does_not_depend_on_the_order_of_nix() -> None:
    entries = [entry("d", "b", "c"), entry("c", "a"), entry("b", "a"), entry("a"), entry("e")]
    orders = {tuple(item.path for item in read_closure(document)) for document in (entries, entries[::-1])}
    (order,) = orders
    assert order.index("a") < min(order.index("b"), order.index("c"))
    assert order.index("d") > max(order.index("b"), order.index("c"))


@pytest.mark.parametrize(
    ("version", "named"), [((2, 8), False), ((2, 32), False), ((2, 34), True), ((2, 91), False)]
)
def test_the_json_format_is_named_for_versions_that_ask_for_it(
    nix: Nix, mocker: MockerFixture, version: tuple[int, int], named: bool
) -> None:
    query = mocker.patch.object(Nix, "query", return_value=[])
    closure(dataclasses.replace(nix, version=version), OUT)
    assert ("--json-format" in query.call_args.args) is named
