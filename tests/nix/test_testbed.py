"""The testbed's own promises: every shape builds, and what it writes is what it says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.testbed import archives
from tests.testbed.nix import MakeFlake, NixBuild


@pytest.mark.slow
@pytest.mark.parametrize(
    ("attribute", "magic"),
    [
        ("layered", b"\x1f\x8b"),
        ("layered-zstd", b"\x28\xb5\x2f\xfd"),
        ("image", b"\x1f\x8b"),
        ("several", b"\x1f\x8b"),
        ("stream", b"#!"),
        ("text", b"no image"),
    ],
)
def test_every_shape_is_built(shapes: NixBuild, attribute: str, magic: bytes) -> None:
    assert shapes(attribute).read_bytes().startswith(magic)


@pytest.mark.slow
def test_stream_writes_the_archive_and_talks_on_stderr(shapes: NixBuild) -> None:
    script = shapes("stream")
    assert os.access(script, os.X_OK)
    done = subprocess.run([script], capture_output=True, check=True)
    assert done.stdout == shapes("layered-plain").read_bytes() == archives.layered()
    assert done.stderr.endswith(b"Done.\n")


@pytest.mark.slow
def test_stream_that_fails_is_cut_short(shapes: NixBuild) -> None:
    done = subprocess.run([shapes("stream-fails")], capture_output=True, check=False)
    assert (done.returncode, len(done.stdout)) == (3, 5000)


@pytest.mark.slow
def test_package_runs(shapes: NixBuild) -> None:
    assert subprocess.check_output([shapes("hello") / "bin/hello"]) == b"Hello, world!\n"


def test_flake_is_a_repository_of_its_own(make_flake: MakeFlake, tmp_path: Path) -> None:
    folder = make_flake("app")
    assert folder == tmp_path / "app"
    assert (folder / ".git").is_dir()
    assert make_flake("other", fresh=True).joinpath("salt").read_text() != ""
