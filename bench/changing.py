"""A package whose closure is large, and of which one small path changes, and the package with it. Its contents are no text: they can't be compressed."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.testbed.machines import THIS_SYSTEM

_FLAKE = """{
  outputs = { self }:
    let
      make = name: script: derivation {
        inherit name;
        system = "@system@";
        builder = "${./busybox}/busybox";
        args = [ "sh" "-euc" "b=${./busybox}/busybox; salt=@salt@; $b mkdir -p $out/lib; ${script}" ];
      };
      filled = name: size: make name "$b head -c ${toString size} /dev/urandom > $out/lib/${name}";
      parts = map (number: filled "part-${toString number}" @part@) (builtins.genList (number: number) @parts@);
      changed = filled "changed-@change@" @changed@;
    in {
      packages.@system@.default = make "app-1.0" ''
        $b mkdir $out/bin
        echo ${toString parts} ${changed} > $out/lib/parts
        $b cp $b $out/bin/app
      '';
    };
}
"""


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The size of such a package, and how far away it lies."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--megabytes", type=int, default=1000, help="of the closure (default: %(default)s)")
    parser.add_argument("--paths", type=int, default=60, help="that do not change (default: %(default)s)")
    parser.add_argument(
        "--milliseconds", type=float, default=20, help="of a round trip (default: %(default)s)"
    )
    parser.add_argument("--megabits", type=float, default=200, help="a second (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def write_flake(path: Path, *, bytes_: int, paths: int, changed: int, salt: str, change: str) -> None:
    """Write a flake.nix: `bytes_` in all, in so many `paths` that do not change, and one of `changed` bytes that does.

    Another `salt` changes all of it, another `change` that one. A static busybox must lie beside it, in `busybox/`.
    """
    values = {
        "system": THIS_SYSTEM,
        "salt": salt,
        "part": (bytes_ - changed) // paths,
        "parts": paths,
        "changed": changed,
        "change": change,
    }
    text = _FLAKE
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    path.write_text(text)
