"""The JSON and the grammar of Nix versions that this machine does not have."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flakeship.errors import BuildError
from flakeship.nix.build import BuildOutput, installable_for, read_build
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.nix.samples import BUILD, DRV, OUT, SHOWN_DERIVATION

ANY = Installable("github:o/r", "image", (), "/", None)


@pytest.mark.parametrize("version", BUILD)
def test_the_json_of_each_version_is_read(nix: Nix, mocker: MockerFixture, version: str) -> None:
    mocker.patch.object(Nix, "query", return_value=SHOWN_DERIVATION[version])
    output = read_build(nix, ANY, json.dumps(BUILD[version]).encode())
    assert output == BuildOutput(OUT, DRV, {"out": OUT}, "x86_64-linux")


@pytest.mark.parametrize("entry", [OUT, {"path": OUT}])
def test_a_store_path_that_needs_no_build_is_read(nix: Nix, entry: Any) -> None:
    assert read_build(nix, ANY, json.dumps([entry]).encode()) == BuildOutput(OUT, "", {"out": OUT}, "")


@pytest.mark.parametrize(
    "stdout", [b"", b"not json", b"3", b'[{"drvPath":"x"}]', b"[3]", b'[{"drvPath":"x","outputs":{}}]']
)
def test_unknown_json_is_refused(nix: Nix, stdout: bytes) -> None:
    with pytest.raises(BuildError, match="JSON of a form that is not known") as caught:
        read_build(nix, ANY, stdout)
    assert nix.release in caught.value.hint


def test_several_results_are_refused(nix: Nix) -> None:
    with pytest.raises(BuildError, match="gives 2 results") as caught:
        read_build(nix, ANY, json.dumps([OUT, OUT]).encode())
    assert "FLAKE#ATTRIBUTE" in caught.value.hint


@pytest.mark.parametrize(
    ("version", "text", "words"),
    [
        ((2, 8), "github:o/r#a", "github:o/r#a"),
        ((2, 8), "github:o/r#a^doc", "github:o/r#a.doc"),
        ((2, 13), "github:o/r#a^doc", "github:o/r#a^doc"),
    ],
)
def test_outputs_are_spelled_as_each_version_wants_them(
    nix: Nix, version: tuple[int, int], text: str, words: str
) -> None:
    other = dataclasses.replace(nix, version=version)
    assert installable_for(other, Installable.parse(text, cwd="/")) == words


@pytest.mark.parametrize("text", ["github:o/r#a^*", "github:o/r#a^out,doc", "github:o/r#^doc"])
def test_outputs_that_an_old_nix_cannot_name_are_refused(nix: Nix, text: str) -> None:
    old = dataclasses.replace(nix, version=(2, 8))
    with pytest.raises(BuildError, match="it knows no `\\^`") as caught:
        installable_for(old, Installable.parse(text, cwd="/"))
    assert "2.13" in caught.value.hint
