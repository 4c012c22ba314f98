"""A layer cache that somebody empties while a run is about to send what it found there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

PROGRAM: Final = """\
from flakeship import cli
from flakeship.stores.cache_folder import CacheFolder

found = CacheFolder.blob

def blob(*args, **more):
    path = found(*args, **more)
    if path:
        path.unlink()
    return path

CacheFolder.blob = blob
cli.entry()
"""


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_what_was_found_is_removed(
    kind: str, nix_environ: Mapping[str, str], registry: Registry, archive: Path, tmp_path: Path
) -> None:
    """From the archive that can be sought in, and from the one that is read a second time."""
    source = archive.with_name(f"layered.{kind}")

    def publish(*start: str, into: str) -> str:
        places = ("--to", f"oci:{into}", "--to", f"docker-archive:{into}.tar")
        flags = ("--tags", f"{registry.host}/{into}-{registry.new_repository()}:1", *places)
        done = subprocess.run(
            [sys.executable, *start, "publish", "--source", str(source), "--layer-cache", "cache", *flags],
            cwd=tmp_path,
            env=nix_environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[0].partition("@")[2]

    first = publish("-m", "flakeship", into="first")
    assert list((tmp_path / "cache/v1/blobs").iterdir())
    assert publish("-c", PROGRAM, into="second") == first
    assert (tmp_path / "second/index.json").read_text() == (tmp_path / "first/index.json").read_text()
    assert (tmp_path / "second.tar").stat().st_size == (tmp_path / "first.tar").stat().st_size
