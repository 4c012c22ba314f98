"""`flakeship sbom` as a user runs it: one image, wherever it lies, has one SBOM, and no layer is read that need not be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sbom.validators import valid_cyclonedx
from tests.testbed import archives
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow


def flakeship(folder: Path, *argv: str) -> str:
    """Without Nix, as on a machine that only reads."""
    done = subprocess.run(
        [sys.executable, "-m", "flakeship", *argv],
        cwd=folder,
        env={"PATH": "/nowhere", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_image_has_one_sbom(tmp_path: Path, registry: Registry) -> None:
    archives.write_all(tmp_path / "in")
    name = f"{registry.host}/{registry.new_repository()}"
    flakeship(
        tmp_path,
        "publish",
        "--source",
        "in/layered.tar",
        "-t",
        f"{name}:1",
        "-t",
        f"{name}:2",
        "--to",
        "oci:here",
    )
    before = len(registry.accesses())
    one, other, here = (
        flakeship(tmp_path, "sbom", place) for place in (f"{name}:1", f"{name}:2", "oci:here")
    )
    assert one == other
    document, local = valid_cyclonedx(one), valid_cyclonedx(here)
    assert document["components"] == local["components"]
    assert document["metadata"]["component"]["version"] == local["metadata"]["component"]["version"]
    assert [each["name"] for each in document["components"]] == ["busybox", "hello"]
    read = {each.path for each in registry.accesses()[before:] if "/blobs/" in each.path}
    assert len(read) == 1, "the config alone: its history names the store paths"
