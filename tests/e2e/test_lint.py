"""What lint says through the command, with the Nix that built the image to ask."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.testbed.archives import BUSYBOX
from tests.testbed.command import Publish

pytestmark = pytest.mark.slow

FLAKE = """{
  outputs = _:
    let
      make = name: script: derivation {
        inherit name;
        system = "x86_64-linux";
        builder = "${./bin}/busybox";
        args = [ "sh" "-euc" "${./bin}/busybox mkdir -p $out/bin; ${script}" ];
      };
      gcc = make "gcc-13.2.0" "echo compiler > $out/bin/gcc";
      library = make "library-1.0" "echo ${gcc} > $out/bin/library";
    in {
      packages.x86_64-linux.default = make "app-1.0" "echo ${library} > $out/bin/app; ${./bin}/busybox chmod +x $out/bin/app";
    };
}
"""


def test_the_way_to_a_compiler_is_shown(publish: Publish, tmp_path: Path) -> None:
    (tmp_path / "flake/bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, tmp_path / "flake/bin/busybox")
    (tmp_path / "flake/flake.nix").write_text(FLAKE)
    ended = publish("--flake", "path:flake", "--to", "oci:out")
    assert ended.code == 0, ended.stderr
    assert "gcc-13.2.0; the way to it: app-1.0 → library-1.0 → gcc-13.2.0\n" in ended.stderr
    assert "-> `nix why-depends --precise /nix/store/" in ended.stderr
    strict = publish("--flake", "path:flake", "--to", "oci:strict", "--lint", "strict")
    assert strict.code == 7
    assert "lint rejects the image: build-tools" in strict.stderr
    assert not (tmp_path / "strict/index.json").exists()
