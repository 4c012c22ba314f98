"""The attributes of a package, read by one evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.errors import BuildError
from flakeship.events import Command, Event
from flakeship.nix.command import Nix
from flakeship.nix.derivation import Derivation, describe
from flakeship.nix.installable import Installable
from tests.testbed.nix import MakeFlake


def test_the_attributes_of_a_package_are_read(nix: Nix, make_flake: MakeFlake) -> None:
    described = describe(nix, Installable.parse(".#hello^doc", cwd=make_flake()))
    assert described == Derivation(
        name="hello-2.12",
        pname="hello",
        version="2.12",
        system="x86_64-linux",
        outputs=described.outputs,
        main_program="hello",
        description="says hello",
        homepage="https://hello.example/",
        licenses=("MIT", "GPL-3.0-or-later"),
        drv_path=described.drv_path,
        default_output="out",
    )
    assert described.out_path.endswith("-hello-2.12-doc")
    assert [*described.outputs] == ["doc"]
    assert described.drv_path.endswith("-hello-2.12.drv")


def test_a_default_package_and_one_without_meta_are_read(nix: Nix, make_flake: MakeFlake) -> None:
    folder = make_flake()
    assert describe(nix, Installable.parse(".", cwd=folder)).pname == "hello"
    described = describe(nix, Installable.parse(".#text", cwd=folder))
    assert (described.name, described.pname, described.main_program, described.licenses) == (
        "notes.txt",
        "",
        "",
        (),
    )


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
def test_meta_is_read_in_all_its_forms(
    nix: Nix, tmp_path: Path, package: str, licenses: tuple[str, ...], homepage: str
) -> None:
    derivation = '{ name = "x"; outPath = "/nix/store/x"; type = "derivation"; }'
    (tmp_path / "flake.nix").write_text(
        f"{{ outputs = _: {{ packages.x86_64-linux.x = {derivation} // {package}; }}; }}"
    )
    described = describe(nix, Installable.parse("path:.#x", cwd=tmp_path))
    assert (described.name, described.licenses, described.homepage, described.version) == (
        "x",
        licenses,
        homepage,
        "",
    )


def test_one_evaluation_reads_all_and_builds_nothing(
    nix_environ: dict[str, str], make_flake: MakeFlake
) -> None:
    events: list[Event] = []
    nix = Nix.find(environ=nix_environ, emit=events.append)
    described = describe(nix, Installable.parse(".#text", cwd=make_flake(fresh=True)))
    assert [type(event) for event in events] == [Command]
    assert not Path(described.out_path).exists()


def test_a_missing_attribute_is_explained_as_for_a_build(nix: Nix, make_flake: MakeFlake) -> None:
    with pytest.raises(BuildError, match="has no package 'helo'") as caught:
        describe(nix, Installable.parse(".#helo", cwd=make_flake()))
    assert "write `hello`" in caught.value.hint
