"""`flakeship diff` and `why` as a user runs them, at a real registry: without Nix, and without a byte of a layer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_sbom import flakeship
from tests.testbed.registry import Registry
from tests.testbed.store_images import image_folder, paths_of

pytestmark = pytest.mark.slow


def test_two_images_of_a_registry_by_their_documents(tmp_path: Path, registry: Registry) -> None:
    name = f"{registry.host}/{registry.new_repository()}"
    layers = [["busybox-1.36"], ["openssl-3.0.8", "openssl-3.0.8-bin"], ["app-1.0"]]
    image_folder(tmp_path / "1", *(paths_of(*each) for each in layers))
    layers[1] = ["openssl-3.0.14", "openssl-3.0.14-bin"]
    image_folder(tmp_path / "2", *(paths_of(*each) for each in layers))
    for tag in ("1", "2"):
        flakeship(tmp_path, "publish", "--source", f"oci:{tag}", "-t", f"{name}:{tag}")
    begun = len(registry.accesses())
    text = flakeship(tmp_path, "diff", f"{name}:1", f"{name}:2")
    asked = [each.path for each in registry.accesses()[begun:]]
    assert "packages: 1 changed\n    openssl  3.0.8 → 3.0.14" in text
    assert "layers: 1 new (" in text
    assert len([path for path in asked if "/blobs/" in path]) == 2, "the two configs"
    assert len(asked) <= 6, "and of each image the manifest, and whether the registry asks for credentials"
    document = json.loads(flakeship(tmp_path, "why", f"{name}:2", "openssl", "--json"))
    assert [found["path"] for found in document["found"]] == sorted(paths_of(*layers[1]))
    assert not document["references_known"]


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_json_is_the_same_in_every_locale_and_time_zone(locale: dict[str, str], tmp_path: Path) -> None:
    """For programs read it: a letter that a locale lacks would be escaped as no JSON has it."""
    image_folder(tmp_path / "1", paths_of("app-1.0"), runtime={"Env": ["Ü=☃"]})
    image_folder(tmp_path / "2", paths_of("app-1.1"))
    environ = {"PATH": "/nowhere", "HOME": str(tmp_path), "TZ": "Asia/Tokyo", **locale}
    for argv, found in (("diff", "./1", "./2", "--json"), "☃"), (("sbom", "./1"), "1970-01-01T00:00:01Z"):
        command = [sys.executable, "-m", "flakeship", *argv]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert found in done.stdout.decode()
        json.loads(done.stdout)
