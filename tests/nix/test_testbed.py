"""The flake of the testbed: every package builds, and has the form that other tests rely on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.testbed import archives
from tests.testbed.nix import MakeFlake, NixBuild

pytestmark = pytest.mark.slow


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
def test_a_stream_script_writes_the_archive_to_stdout_and_messages_to_stderr(shapes: NixBuild) -> None:
    script = shapes("stream")
    assert os.access(script, os.X_OK)
    done = subprocess.run([script], capture_output=True, check=True)
    assert done.stdout == shapes("layered-plain").read_bytes() == archives.layered()
    assert done.stderr.endswith(b"Done.\n")


@pytest.mark.slow
def test_a_stream_script_that_fails_writes_half_an_archive(shapes: NixBuild) -> None:
    done = subprocess.run([shapes("stream-fails")], capture_output=True, check=False)
    assert (done.returncode, len(done.stdout)) == (3, 5000)


@pytest.mark.slow
def test_the_package_runs(shapes: NixBuild) -> None:
    assert subprocess.check_output([shapes("hello") / "bin/hello"]) == b"Hello, world!\n"


@pytest.mark.slow
def test_each_flake_is_a_repository_of_its_own(make_flake: MakeFlake, tmp_path: Path) -> None:
    folder = make_flake("app")
    assert folder == tmp_path / "app"
    assert (folder / ".git").is_dir()
    assert make_flake("other", fresh=True).joinpath("salt").read_text() != ""
