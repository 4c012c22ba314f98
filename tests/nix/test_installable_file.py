"""Installables without a flake: a Nix file, an attribute in it, and its search path; built with the real Nix."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flakeship.errors import BuildError, UsageError
from flakeship.events import ignore
from flakeship.nix.build import build
from flakeship.nix.command import Nix
from flakeship.nix.derivation import describe
from flakeship.nix.flake import source_of
from flakeship.nix.installable import Installable
from flakeship.nix.reproduce import check_reproducible
from tests.testbed.archives import BUSYBOX

EXPRESSION = """
let
  made = name: derivation {
    inherit name;
    outputs = [ "out" "doc" ];
    system = builtins.currentSystem;
    builder = "${./bin}/busybox";
    args = [ "sh" "-c" "echo ${name} > $out; echo doc of ${name} > $doc" ];
  };
in
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    shutil.copy(BUSYBOX, tmp_path / "bin/busybox")
    (tmp_path / "pinned").write_text("pinned")
    (tmp_path / "default.nix").write_text(
        f'{EXPRESSION} {{ one = made "one"; deep."two words" = made "two"; number = 1; pin = made (builtins.readFile <pin>); }}'
    )
    (tmp_path / "single.nix").write_text(f'{EXPRESSION} made "single"')
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "attribute", "content"),
    [
        ("default.nix", "one", "one\n"),
        (".", "one", "one\n"),
        ("default.nix", 'deep."two words"', "two\n"),
        ("./default.nix", "one^doc", "doc of one\n"),
        ("single.nix", "", "single\n"),
        ("default.nix", "pin", "pinned\n"),
    ],
)
def test_an_attribute_of_a_file_is_built(
    nix: Nix, folder: Path, file: str, attribute: str, content: str
) -> None:
    wanted = Installable.of_file(file, attribute, search_path=(f"pin={folder}/pinned",), cwd=folder)
    output = build(nix, wanted, emit=ignore)
    assert Path(output.out_path).read_text() == content
    assert output.system.endswith("-linux")
    assert source_of(nix, wanted) is None
    if "^" not in attribute:
        assert describe(nix, wanted).out_path == output.out_path
        check_reproducible(nix, wanted, output, emit=ignore)


@pytest.mark.slow
def test_nix_path_in_the_environment_is_used(nix: Nix, folder: Path) -> None:
    from dataclasses import replace

    environ = {**nix.environ, "NIX_PATH": f"pin={folder}/pinned"}
    output = build(
        replace(nix, environ=environ), Installable.of_file("default.nix", "pin", cwd=folder), emit=ignore
    )
    assert Path(output.out_path).read_text() == "pinned\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attribute", "words", "hint"),
    [
        (
            "none",
            "default.nix has no attribute 'none'",
            "the file has deep, number, one, pin",
        ),
        ("deep", "deep of default.nix gives 0 results", "`attr: NAME`"),
        ("number", "number of default.nix is not a package, but a number", "the file has deep, one, pin"),
        (
            "pin",
            "pin of default.nix reads <pin>, and the search path of Nix has no such entry",
            "`nix-path: pin=PATH-OR-URL`",
        ),
    ],
)
def test_a_file_that_cannot_be_evaluated_is_explained(
    nix: Nix, folder: Path, attribute: str, words: str, hint: str
) -> None:
    with pytest.raises(BuildError) as caught:
        build(nix, Installable.of_file("default.nix", attribute, cwd=folder), emit=ignore)
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("file", "attribute", "pin", "words"),
    [
        ("none.nix", "", "a=b", "file: there is no file"),
        ("bin", "", "a=b", "file: there is no default.nix in"),
        ("--option", "", "a=b", "file: '--option' is not a path"),
        ("a\nb", "", "a=b", "is not a path"),
        ("default.nix", 'a."b', "a=b", "is not an attribute path: a quote is not closed"),
        ("default.nix", "a^", "a=b", "attr: 'a^' names no output"),
        ("default.nix", "a", "-I", "nix-path: '-I' is not a path"),
        ("default.nix", "a", "p=https://me:hunter2@host/x", "nix-path: the address holds a password"),
        ("https://me:hunter2@host/x.tar.gz", "a", "a=b", "file: the address holds a password"),
        ("flake.nix", "a", "a=b", "is a flake"),
    ],
)
def test_malformed_inputs_are_refused(folder: Path, file: str, attribute: str, pin: str, words: str) -> None:
    (folder / "flake.nix").write_text("{ }")
    with pytest.raises(UsageError) as caught:
        Installable.of_file(file, attribute, search_path=(pin,), cwd=folder)
    assert words in caught.value.message
    assert caught.value.hint
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_an_installable_of_a_file_is_named_in_messages() -> None:
    wanted = Installable.of_file("<nixpkgs>", "hello", search_path=("nixpkgs=channel:nixos-24.05",), cwd="/")
    assert str(wanted) == "hello of <nixpkgs>"
    assert wanted.spelled == "--file '<nixpkgs>' -I nixpkgs=channel:nixos-24.05 hello"
    assert str(Installable.of_file("channel:nixos-24.05", "", cwd="/")) == "channel:nixos-24.05"
