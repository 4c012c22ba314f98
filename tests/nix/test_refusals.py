"""What nixpkgs refuses to evaluate, in its words until 2025 and those since 2026."""

# ruff: noqa: RUF001 - nixpkgs quotes the names of packages so
from __future__ import annotations

from dataclasses import replace

import pytest

from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.nix.failures import explained

PLACE = "/nix/store/d4s2p5hb4jbc4f9xrjlc4k7qwzfwl65n-source/pkgs/x.nix:12"
REMEDY = "a) To temporarily allow unfree packages, you can use an environment variable\n   $ export NIXPKGS_ALLOW_UNFREE=1\n"
PROBLEMS = """has problems:
- {name}: This package is so.

See also https://nixos.org/manual/nixpkgs/unstable#sec-problems
To allow evaluation regardless, use:
- Nixpkgs import: import nixpkgs {{ config = <below code>; }}
"""


def old(words: str) -> str:
    return f"error: Package ‘x-1’ in {PLACE} {words}, refusing to evaluate.\n\n{REMEDY}"


def new(words: str) -> str:
    return f"error: Refusing to evaluate package 'x-1' in {PLACE} because it {words}\n{REMEDY}"


UNFREE = ("whose licence is unfree", "`allow-unfree: true`")
INSECURE = ("which nixpkgs marks as insecure", "NIXPKGS_ALLOW_INSECURE=1 for this step and `impure: true`")
BROKEN = ("which nixpkgs marks as broken", "NIXPKGS_ALLOW_BROKEN=1")
SYSTEM = ("which nixpkgs does not have for this system", "NIXPKGS_ALLOW_UNSUPPORTED_SYSTEM=1")
REFUSALS = [
    (old("has an unfree license (‘unfree’)"), UNFREE),
    (new("has an unfree license (‘bsl11’)"), UNFREE),
    (old("is marked as insecure"), INSECURE),
    (new("is marked as insecure\n\nKnown issues:\n - CVE-2026-1\n"), INSECURE),
    (old("is marked as broken"), BROKEN),
    (new("is marked as broken"), BROKEN),
    (new(PROBLEMS.format(name="broken")), BROKEN),
    (new(PROBLEMS.format(name='horse (kind "broken")')), BROKEN),
    (new(PROBLEMS.format(name="removal")), ("refuses for its problems: removal", "config.problems.handlers")),
    (
        old('has the following problems that must be acknowledged: [ "removal" ]'),
        ("refuses for its problems", "config.problems.handlers"),
    ),
    (old('is not available on the requested hostPlatform:\n  hostPlatform.system = "x86_64-linux"'), SYSTEM),
    (new('is not available on the requested hostPlatform:\n  hostPlatform.system = "x86_64-linux"'), SYSTEM),
    (new("has a blocklisted license (‘gpl3’)"), ("because it has a blocklisted license (‘gpl3’)", "meta")),
    (old("has a blocklisted license (‘gpl3’)"), ("because it has a blocklisted license (‘gpl3’)", "meta")),
    (
        new("contains elements not built from source (‘x’)"),
        ("because it contains elements not built", "config"),
    ),
    (
        new("has an invalid meta attrset:\n  - key 'x' is unrecognized"),
        ("has an invalid meta attrset", "meta"),
    ),
]


@pytest.mark.parametrize(("text", "expected"), REFUSALS)
@pytest.mark.parametrize(
    "around", ["{}", "error:\n       … while calling the 'derivationStrict' builtin\n\n       {}"]
)
def test_a_refusal_of_nixpkgs_names_the_package_and_the_way_out(
    nix: Nix, text: str, expected: tuple[str, str], around: str
) -> None:
    """nix-community/nix-wrapper-modules#536, serac-labs/serac#158."""
    error = explained(nix, around.format(text))
    assert error.message.startswith("github:o/r#image needs x-1, ")
    assert expected[0] in error.message
    assert expected[1] in error.hint
    assert error.detail


@pytest.mark.parametrize(
    "quoted",
    [
        "           11| # Refusing to evaluate package 'x-1' in x.nix:1 because it has an unfree license\n",
        '           11|   throw "error: Package ‘x-1’ in x.nix:1 has an unfree license (‘unfree’), refusing to evaluate."\n             |   ^\n',
        "       … while evaluating the error: Package ‘x-1’ in x.nix:1 is marked as insecure, refusing to evaluate.\n",
        "       > error: Package ‘x-1’ in x.nix:1 is marked as broken, refusing to evaluate.\n",
    ],
)
def test_what_nix_quotes_is_not_what_it_says(nix: Nix, quoted: str) -> None:
    text = f"error:\n       … while calling the 'throw' builtin\n         at /nix/store/x-source/flake.nix:11:3:\n{quoted}\n       error: out of cheese"
    assert explained(nix, text).message == "github:o/r#image can't be built: out of cheese"


def test_a_flakes_own_words_are_no_refusal(nix: Nix) -> None:
    text = "error: my Package 'x' in the list has an unfree license, which the README explains"
    assert "can't be built: my Package" in explained(nix, text).message


def test_a_file_sees_the_environment_without_impure(nix: Nix) -> None:
    of_file = replace(Installable("", "image", (), "/", None), file="default.nix")
    assert "impure" not in explained(nix, old("is marked as insecure"), installable=of_file).hint
