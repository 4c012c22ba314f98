"""The attributes of a package, read by one evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.errors import BuildError
from flakeship.events import Command, Event
from flakeship.nix.command import Nix
from flakeship.nix.derivation import Derivation, describe, read_description
from flakeship.nix.installable import Installable
from flakeship.nix.licences import Joined, Licence
from tests.testbed.nix import MakeFlake

pytestmark = pytest.mark.slow

OUT = f"/nix/store/{'0' * 32}-x"


@pytest.mark.slow
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


@pytest.mark.slow
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
        (
            '{ meta.license = [ "a" { operator = "OR"; licenses = [ { spdxId = "MIT"; } { spdxId = "ISC"; } ]; } { operator = "OR"; licenses = [ { spdxId = "Zlib"; } (throw "x") ]; } { license = { spdxId = "X"; }; } ]; }',
            ("a", Joined("OR", ("MIT", "ISC")), Joined("+", ("X",))),
            "",
        ),
        ("{ }", (), ""),
    ],
)
def test_meta_is_read_in_all_its_forms(
    nix: Nix, tmp_path: Path, package: str, licenses: tuple[Licence, ...], homepage: str
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


@pytest.mark.parametrize(
    ("flake", "paths"),
    [(".#x", (OUT,)), (".#x^out", (OUT,)), (".#x^*", (OUT,)), (".#x^nope", ()), (".#x^out,nope", ())],
)
def test_an_output_that_the_package_does_not_have_is_no_published_one(
    nix: Nix, tmp_path: Path, flake: str, paths: tuple[str, ...]
) -> None:
    """What `derivation` makes lists no outputs if it has but one."""
    (tmp_path / "flake.nix").touch()
    texts = dict.fromkeys(("name", "pname", "version", "system", "mainProgram", "description"), "")
    answer = {
        **texts,
        "homepage": "",
        "licenses": [],
        "drvPath": "",
        "output": "",
        "outputs": {},
        "path": OUT,
    }
    described = read_description(nix, Installable.parse(f"path:{flake}", cwd=str(tmp_path)), answer)
    assert described.paths == paths


def test_one_evaluation_reads_all_and_builds_nothing(
    nix_environ: dict[str, str], make_flake: MakeFlake
) -> None:
    events: list[Event] = []
    nix = Nix.find(environ=nix_environ, emit=events.append)
    described = describe(nix, Installable.parse(".#text", cwd=make_flake(fresh=True)))
    assert [type(event) for event in events] == [Command]
    assert not Path(described.out_path).exists()


@pytest.mark.slow
def test_a_missing_attribute_is_explained_as_for_a_build(nix: Nix, make_flake: MakeFlake) -> None:
    with pytest.raises(BuildError, match="has no package 'helo'") as caught:
        describe(nix, Installable.parse(".#helo", cwd=make_flake()))
    assert "write `.#hello`" in caught.value.hint
