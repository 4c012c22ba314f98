"""The JSON and the grammar of Nix versions that this machine does not have."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from pytest_mock import MockerFixture

from flakeship.errors import BuildError
from flakeship.nix.build import BuildOutput, installables_for, read_build
from flakeship.nix.command import Nix
from flakeship.nix.derivation import read_description
from flakeship.nix.installable import Installable
from tests.nix.samples import BUILD, DRV, OUT, SHOWN_DERIVATION

ANY = Installable("github:o/r", "image", (), "/", None)


@pytest.mark.parametrize("version", BUILD)
def test_the_json_of_each_version_is_read(nix: Nix, mocker: MockerFixture, version: str) -> None:
    mocker.patch.object(Nix, "query", return_value=SHOWN_DERIVATION[version])
    output = read_build(nix, ANY, json.dumps(BUILD[version]).encode())
    assert output == BuildOutput(DRV, {"out": OUT}, "x86_64-linux")


@pytest.mark.parametrize("entry", [OUT, {"path": OUT}])
def test_a_store_path_that_needs_no_build_is_read(nix: Nix, entry: Any) -> None:
    assert read_build(nix, ANY, json.dumps([entry]).encode()) == BuildOutput("", {"out": OUT}, "")


@pytest.mark.parametrize(
    "stdout", [b"", b"not json", b"3", b'[{"drvPath":"x"}]', b"[3]", b'[{"drvPath":"x","outputs":{}}]']
)
def test_unknown_json_is_refused(nix: Nix, stdout: bytes) -> None:
    with pytest.raises(BuildError, match="JSON in an unknown form") as caught:
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
    assert installables_for(other, Installable.parse(text, cwd="/")) == (words,)


@pytest.mark.parametrize("version", [(2, 8), (2, 13)])
@pytest.mark.parametrize(
    ("text", "described", "words"),
    [
        ("path:/r#a^out,doc", (), ("a.out", "a.doc")),
        ("path:/r#a^*", ("out", "bin", "doc"), ("a.out", "a.bin", "a.doc")),
        ("path:/r#a", ("bin", "man"), ("a.bin", "a.man")),
        ("path:/r#a", ("out",), ("a",)),
    ],
)
def test_an_old_nix_is_given_each_output_by_itself(
    nix: Nix, version: tuple[int, int], text: str, described: tuple[str, ...], words: tuple[str, ...]
) -> None:
    other = dataclasses.replace(nix, version=version)
    said = read_description(nix, ANY, ANSWER)
    said = dataclasses.replace(said, outputs=dict.fromkeys(described, ""), default_output="out")
    installable = Installable("path:/r", *_parts(text), "/", None)
    asked = installables_for(other, installable, said if described else None)
    expected = tuple(f"path:/r#{word}" for word in words)
    assert asked == (expected if version == (2, 8) else (text,))


def test_all_outputs_that_an_old_nix_cannot_name_are_refused(nix: Nix) -> None:
    old = dataclasses.replace(nix, version=(2, 8))
    with pytest.raises(BuildError, match="it has no `\\^`") as caught:
        installables_for(old, Installable.parse("github:o/r#a^*", cwd="/"))
    assert "2.13" in caught.value.hint


ANSWER: dict[str, Any] = {
    **dict.fromkeys(("name", "pname", "version", "system", "path", "drvPath", "output"), ""),
    **dict.fromkeys(("mainProgram", "description", "homepage"), ""),
    "specified": False,
    "installed": [],
    "outputs": {
        "out": OUT,
        "doc": f"{OUT}-doc",
        "bin": "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9",
    },
    "licenses": [],
}


@pytest.mark.parametrize(
    ("version", "asks", "changes", "expected"),
    [
        ((2, 34), {"outputs": (), "file": ""}, {}, ("out",)),
        (
            (2, 34),
            {"outputs": (), "file": "x.nix"},
            {},
            ("out", "bin", "doc"),
        ),  # seen: `nix build --file` builds them all
        ((2, 34), {"outputs": (), "file": ""}, {"installed": ["doc", "bin"]}, ("bin", "doc")),
        (
            (2, 34),
            {"outputs": (), "file": ""},
            {"installed": ["doc"], "specified": True, "output": "bin"},
            ("bin",),
        ),
        ((2, 34), {"outputs": ("doc", "out"), "file": ""}, {"installed": ["bin"]}, ("doc", "out")),
        ((2, 34), {"outputs": ("*",), "file": ""}, {}, ("out", "bin", "doc")),
        (
            (2, 34),
            {"outputs": (), "file": ""},
            {"output": "doc"},
            ("out",),
        ),  # seen: `.#a.doc` of a bare derivation gives `out`
        ((2, 8), {"outputs": (), "file": ""}, {"output": "doc"}, ("doc",)),
        ((2, 8), {"outputs": (), "file": "x.nix"}, {"output": "doc"}, ("doc",)),
        ((2, 8), {"outputs": (), "file": ""}, {"output": "out", "installed": ["doc"]}, ("doc",)),
    ],
)
def test_what_is_asked_for_is_what_nix_builds(
    nix: Nix, version: tuple[int, int], asks: Any, changes: Any, expected: Any
) -> None:
    other = dataclasses.replace(nix, version=version)
    installable = dataclasses.replace(ANY, **asks)
    said = read_description(other, installable, ANSWER | changes)
    assert tuple(said.outputs) == expected
    assert bool(said.paths) == ("bin" not in expected)  # whose path only a build can tell


def _parts(text: str) -> tuple[str, tuple[str, ...]]:
    attribute, _, outputs = text.partition("#")[2].partition("^")
    return attribute, tuple(filter(None, outputs.split(",")))
