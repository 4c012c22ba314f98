"""Attribute paths: read as Nix reads them, and written so that every version of Nix reads them."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from flakeship.nix import attribute_path
from flakeship.nix.command import Nix
from flakeship.nix.installable import Installable
from tests.testbed.archives import BUSYBOX

LETTERS = "abz019 .-_+'$&!*()[]{}<>|\\`~^?#%@=:;,/äß€λ\u00a0"
ODD = (
    "hello:exe:hello",
    "my.image",
    "a b",
    " ",
    ".",
    "50%",
    "%20",
    "a#b",
    "a^b",
    "a^out",
    "$x",
    "${x}",
    "ä",
    "-",
    "a'b",
    "a\\b",
    "a,b",
    "(a)",
)


def names(amount: int, *, seed: int = 1) -> list[str]:
    """Names of packages, all different, without a quote: a name with one can't be written."""
    chosen = random.Random(seed)
    drawn = ("".join(chosen.choices(LETTERS, k=chosen.randint(1, 8))) for _ in range(amount))
    return list(dict.fromkeys((*ODD, *drawn)))


def test_what_is_written_is_read_again() -> None:
    drawn = names(2000)
    for first, second in zip(drawn, reversed(drawn), strict=True):
        path = attribute_path.written((first, second))
        assert attribute_path.fault_in(path, encoded=True) == "", path
        assert attribute_path.names_in(path, encoded=True) == (first, second), path


def test_what_is_written_is_a_url_for_nix_2_8() -> None:
    """Its grammar for what follows `#`: https://github.com/NixOS/nix/blob/2.8.0/src/libutil/url-parts.hh."""
    fragment = re.compile(r"""(?:[A-Za-z0-9._~!$&'()*+,;=:@/? "-]|%[0-9A-F]{2})*""")
    for name in names(2000):
        assert fragment.fullmatch(attribute_path.written((name,))), name
        assert fragment.fullmatch(attribute_path.on_command_line(f'"{name.replace("%", "%25")}"')), name


def test_a_name_with_a_quote_and_one_without_letters_are_not_written() -> None:
    assert attribute_path.written(('a"b',)) == attribute_path.written(("",)) == ""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", ("a", "b")),
        ('"a.b".c', ("a.b", "c")),
        ('a"."b', ("a.b",)),
        ("hello:exe:hello", ("hello:exe:hello",)),
        ("a%20b", ("a b",)),
        ("a%2Eb", ("a", "b")),
        ("%22a.b%22", ("a.b",)),
        (".packages.x", ("packages", "x")),
        ("a.", ("a",)),
        ('""', ()),
        ("", ()),
    ],
)
def test_a_path_is_read_as_nix_reads_it(path: str, expected: tuple[str, ...]) -> None:
    assert attribute_path.names_in(path, encoded=True) == expected


def test_in_a_file_nothing_is_encoded() -> None:
    assert attribute_path.names_in("a%20b", encoded=False) == ("a%20b",)
    assert attribute_path.fault_in("50%", encoded=False) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", ("a", None)),
        ("a^out", ("a", "out")),
        ("a^b^out", ("a^b", "out")),
        ('"a^b"', ('"a^b"', None)),
        ('"a^b"^out,doc', ('"a^b"', "out,doc")),
        ("^*", ("", "*")),
        ("a^", ("a", "")),
    ],
)
def test_outputs_stand_behind_the_last_caret_outside_of_quotes(
    text: str, expected: tuple[str, str | None]
) -> None:
    assert attribute_path.split_at_caret(text) == expected


@pytest.mark.slow
def test_nix_reads_the_names_that_we_write(nix: Nix, tmp_path: Path) -> None:
    """One call of real Nix for all: each name stands for a derivation of its own, which is not built."""
    drawn = names(60, seed=7)
    shutil.copy(BUSYBOX, tmp_path / "busybox")
    numbered = {name: f"n{number}" for number, name in enumerate(drawn)}
    (tmp_path / "names.json").write_text(json.dumps(numbered))
    (tmp_path / "flake.nix").write_text(
        """{ outputs = { self }:
          let made = attribute: name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
          in { packages.x86_64-linux = builtins.mapAttrs made (builtins.fromJSON (builtins.readFile ./names.json)); }; }"""
    )
    written = {name: attribute_path.written((name,)) for name in drawn}
    as_given = [Installable.parse(f"path:.#{text}", cwd=tmp_path).target for text in written.values()]
    quoted = [
        Installable.parse(f'path:.#"{name.replace("%", "%25")}"', cwd=tmp_path).target for name in drawn
    ]
    for targets in (as_given, quoted):
        assert derivations(nix, targets, tmp_path) == sorted(numbered.values())


def derivations(nix: Nix, targets: Sequence[str], cwd: Path) -> list[str]:
    done = nix.run("path-info", "--derivation", "--", *targets, cwd=str(cwd))
    assert done.returncode == 0, done.stderr.decode()
    return sorted(re.findall(r"-(n\d+)\.drv", done.stdout.decode()))


@pytest.mark.slow
@pytest.mark.parametrize("fragment", ['"a', 'a."b', "a..b", '"50%"', "a .#b"])
def test_what_we_refuse_nix_refuses_too(nix: Nix, tmp_path: Path, fragment: str) -> None:
    (tmp_path / "flake.nix").write_text(
        '{ outputs = _: let p = { "a" = 1; "b" = 2; "50%" = 3; "a .#b" = 4; "a..b" = 5; }; in p // { packages.x86_64-linux = p; }; }'
    )
    assert nix.run("eval", "--json", "--", f"path:.#{fragment}", cwd=str(tmp_path)).returncode != 0
    assert attribute_path.fault_in(fragment, encoded=True)
