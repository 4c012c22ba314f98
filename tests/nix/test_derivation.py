"""What a package says of itself, by one evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.errors import BuildError
from flakeship.events import Command, Event
from flakeship.nix.command import Nix
from flakeship.nix.derivation import Derivation, describe
from flakeship.nix.installable import Installable
from tests.testbed.nix import MakeFlake, NixBuild


def test_package(nix: Nix, make_flake: MakeFlake, shapes: NixBuild) -> None:
    told = describe(nix, Installable.parse(".#hello^doc", cwd=make_flake()))
    assert told == Derivation(
        name="hello-2.12",
        pname="hello",
        version="2.12",
        system="x86_64-linux",
        out_path=str(shapes("hello")),
        main_program="hello",
        description="says hello",
        homepage="https://hello.example/",
        licenses=("MIT", "GPL-3.0-or-later"),
    )


def test_default_and_bare_package(nix: Nix, make_flake: MakeFlake) -> None:
    folder = make_flake()
    assert describe(nix, Installable.parse(".", cwd=folder)).pname == "hello"
    told = describe(nix, Installable.parse(".#text", cwd=folder))
    assert (told.name, told.pname, told.main_program, told.licenses) == ("notes.txt", "", "", ())


@pytest.mark.parametrize(
    ("package", "licenses", "homepage"),
    [
        (
            '{ meta.license = { spdxId = "MIT"; }; meta.homepage = [ "https://a" "https://b" ]; }',
            ("MIT",),
            "https://a",
        ),
        ('{ meta.license = "custom"; meta.homepage = [ ]; }', ("custom",), ""),
        ('{ meta.license = [ { shortName = "unfree"; } { } ]; }', ("unfree",), ""),
        ('{ meta.license = throw "x"; meta.homepage = throw "y"; version = throw "z"; }', (), ""),
        ("{ }", (), ""),
    ],
)
def test_meta_of_many_kinds(
    nix: Nix, tmp_path: Path, package: str, licenses: tuple[str, ...], homepage: str
) -> None:
    derivation = '{ name = "x"; outPath = "/nix/store/x"; type = "derivation"; }'
    (tmp_path / "flake.nix").write_text(
        f"{{ outputs = _: {{ packages.x86_64-linux.x = {derivation} // {package}; }}; }}"
    )
    told = describe(nix, Installable.parse("path:.#x", cwd=tmp_path))
    assert (told.name, told.licenses, told.homepage, told.version) == ("x", licenses, homepage, "")


def test_asks_once_and_builds_nothing(nix_environ: dict[str, str], make_flake: MakeFlake) -> None:
    events: list[Event] = []
    nix = Nix.find(environ=nix_environ, emit=events.append)
    told = describe(nix, Installable.parse(".#text", cwd=make_flake(fresh=True)))
    assert [type(event) for event in events] == [Command]
    assert not Path(told.out_path).exists()


def test_attribute_that_is_not_there(nix: Nix, make_flake: MakeFlake) -> None:
    with pytest.raises(BuildError, match="has no package 'helo'") as caught:
        describe(nix, Installable.parse(".#helo", cwd=make_flake()))
    assert "did you mean `hello`?" in caught.value.hint
