"""The examples that need nixpkgs. This machine can't build them, but Nix can parse them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.nix")), ids=lambda path: path.parent.name)
def test_nix_can_read_each_example(nix_environ: Mapping[str, str], path: Path) -> None:
    done = subprocess.run(
        ["nix-instantiate", "--parse", str(path)], env=nix_environ, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
