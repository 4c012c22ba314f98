"""The most memory that a whole publish has at any time, to a real registry: of a ready image, and of a closure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import pytest

from tests.image.test_memory import MIB, sparse
from tests.testbed import archives
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

# The peak of the process itself: that of its children, Nix among them, is their own
_PROGRAM: Final = """
import re, sys
from flakeship.cli import main
assert main(sys.argv[1:]) == 0
print(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
"""

_FLAKE: Final = """{
  outputs = { self }: {
    packages.x86_64-linux.default = derivation {
      name = "large";
      system = "x86_64-linux";
      builder = "${./bin}/busybox";
      args = [ "sh" "-euc" "b=${./bin}/busybox; $b mkdir -p $out/bin $out/many; cd $out/many; $b truncate -s 300M large;
        $b seq 4000 | $b xargs $b touch; $b cp $b $out/bin/large" ];
    };
  };
}
"""


def peak(
    environ: Mapping[str, str], cwd: Path, *flags: str, stdin: IO[bytes] | int | None = subprocess.DEVNULL
) -> int:
    """In bytes."""
    argv = [sys.executable, "-c", _PROGRAM, "publish", *flags]
    done = subprocess.run(
        argv, cwd=cwd, env=environ, stdin=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1]) * 1024


def test_of_a_ready_image(registry: Registry, nix_environ: Mapping[str, str], tmp_path: Path) -> None:
    source = sparse(tmp_path / "image.tar", 256 * MIB)
    flags = ("--source", str(source), "--tags", f"{registry.host}/{registry.new_repository()}:1")
    for reuse in ("trust", "verify"):
        assert peak(nix_environ, tmp_path, *flags, "--reuse", reuse) <= 120 * MIB


def test_of_what_comes_through_a_pipe(nix_environ: Mapping[str, str], tmp_path: Path) -> None:
    """It is on the disk, and never in memory."""
    source = sparse(tmp_path / "image.tar", 256 * MIB)
    with subprocess.Popen(["cat", str(source)], stdout=subprocess.PIPE) as writer:
        used = peak(nix_environ, tmp_path, "--source", "-", "--to", "oci:out", stdin=writer.stdout)
    assert used <= 120 * MIB


@pytest.mark.long
def test_of_a_layer_of_eight_gigabytes(
    registry: Registry, nix_environ: Mapping[str, str], tmp_path: Path
) -> None:
    source = sparse(tmp_path / "image.tar", 8191 * MIB)
    flags = ("--source", str(source), "--tags", f"{registry.host}/{registry.new_repository()}:1")
    assert peak(nix_environ, tmp_path, *flags) <= 120 * MIB


def test_of_a_closure(registry: Registry, nix_environ: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/busybox").write_bytes(archives.BUSYBOX.read_bytes())
    (tmp_path / "bin/busybox").chmod(0o755)
    (tmp_path / "flake.nix").write_text(_FLAKE)
    flags = ("--flake", f"path:{tmp_path}", "--tags", f"{registry.host}/{registry.new_repository()}:1")
    for rebuild in ("always", "auto"):
        assert peak(nix_environ, tmp_path, *flags, "--rebuild", rebuild) <= 150 * MIB
