"""The names in the hint about an attribute that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakeship.nix.alternatives import Alternatives, alternatives_of, hint_of, hint_of_file
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.nix.builds import failed

HERE = {"image": True, "tool": False, "my.image": True, 'odd"name': False, "two words": False}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (("imag",), "write `.#image` if"),
        (("my", "image"), 'write `.#"my.image"` if'),
        (("packages", "x86_64-linux", "my", "image"), 'write `.#"my.image"` if'),
        (("packages", "x86_64-linux", "tol"), "write `.#tool` if"),
        (("twowords",), 'write `.#"two words"` if'),
        (
            ('odd"names',),
            'the flake has the images image, "my.image"; the flake has the other packages tool, "two words"',
        ),
        (
            ("quite-another",),
            'the flake has the images image, "my.image"; the flake has the other packages tool, "two words"',
        ),
    ],
)
def test_a_near_name_is_written_so_that_it_works(wanted: tuple[str, ...], expected: str) -> None:
    """NixOS/nix#8060: a dot in a name."""
    assert hint_of(Alternatives(packages=HERE), wanted=wanted).startswith(expected)


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (
            Alternatives(systems={"aarch64-linux": ["x", "my.image"], "x86_64-linux": []}),
            ("my.image",),
            'write `packages.aarch64-linux."my.image"`',
        ),
        (
            Alternatives(systems={"aarch64-linux": ["default"]}),
            (),
            "write `packages.aarch64-linux.default`",
        ),
        (Alternatives(systems={"riscv64-linux": ["x"]}), ("y",), "the flake has packages for riscv64-linux"),
        (
            Alternatives(apps=["serve"]),
            ("serve",),
            "name the package that holds the program of the app serve",
        ),
        (Alternatives(apps=["serve"]), ("x",), "the flake has apps, which are not packages: serve"),
        (
            Alternatives(legacy=["hello", "helmet"]),
            ("helo",),
            "write `.#hello` if you meant that; the flake has the legacyPackages hello, helmet",
        ),
        (Alternatives(legacy=[f"p{n}" for n in range(99)]), ("p1000",), "write `.#p10` if"),
        (Alternatives(has_default=True), ("image",), "write `.` alone for its default package"),
        (Alternatives(), ("image",), "run `nix flake show`, which lists what the flake has"),
    ],
)
def test_names_that_lie_elsewhere_are_named_with_their_place(
    found: Alternatives, wanted: tuple[str, ...], expected: str
) -> None:
    assert hint_of(found, wanted=wanted).startswith(expected)


def test_what_was_asked_for_is_not_proposed_again() -> None:
    """It is there, and no package."""
    hint = hint_of(
        Alternatives(packages={"string": False, "strings": False}), wanted=("string",), exists=True
    )
    assert hint == "write `.#strings` if you meant that; the flake has the packages strings"


def test_a_file_has_names_too() -> None:
    assert (
        hint_of_file(["image", "a b"], wanted=("imag",))
        == 'write `attr: image` if you meant that; the file has image, "a b"'
    )
    assert (
        hint_of_file(["50%", "x.y"], wanted=("50",))
        == 'write `attr: "50%"` if you meant that; the file has "50%", "x.y"'
    )
    assert "builtins.attrNames" in hint_of_file([], wanted=("imag",))


@pytest.fixture
def everywhere(tmp_path: Path) -> Path:
    """A flake with something in each place; `broken` does not evaluate."""
    (tmp_path / "flake.nix").write_text(
        """{ outputs = _: {
          packages.x86_64-linux = { image = { isExe = true; }; broken = throw "no"; "my.image" = 1; text = "a"; };
          packages.aarch64-linux.arm = 1;
          packages.riscv64-linux = throw "no";
          legacyPackages.x86_64-linux.old = 1;
          apps.x86_64-linux.serve = { type = "app"; program = "/x"; };
          defaultPackage.x86_64-linux = 1;
        }; }"""
    )
    return tmp_path


@pytest.mark.slow
def test_every_place_is_looked_at(nix: Nix, everywhere: Path) -> None:
    assert alternatives_of(nix, Installable.parse("path:.#x", cwd=everywhere)) == Alternatives(
        packages={"broken": False, "image": True, "my.image": False, "text": False},
        systems={
            "aarch64-linux": ["arm"],
            "riscv64-linux": [],
            "x86_64-linux": ["broken", "image", "my.image", "text"],
        },
        legacy=["old"],
        apps=["serve"],
        has_default=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attribute", "message", "hint"),
    [
        ("my.image", "has no package 'my.image'", 'write `path:.#"my.image"` if'),
        ("arm", "has no package 'arm'", "`packages.aarch64-linux.arm`"),
        ("text", "path:.#text is not a package, but a string", "the flake has the images image"),
    ],
)
def test_an_attribute_that_can_not_be_built_leads_to_one_that_can(
    nix: Nix, everywhere: Path, attribute: str, message: str, hint: str
) -> None:
    error = failed(nix, everywhere, f"path:.#{attribute}")
    assert message in error.message
    assert hint in error.hint
    assert "write `text`" not in error.hint
