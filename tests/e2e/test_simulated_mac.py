"""The whole program where Python takes this machine for a Mac; tests/testbed/mac.py says what of macOS that is, and what it is not."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.test_far_store import from_far, here, manifest
from tests.testbed.command import Ended, Publish
from tests.testbed.far_flake import KINDS, SYSTEM, write_document, write_far_flake
from tests.testbed.mac import write_mac
from tests.testbed.machines import MakeMachine
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

PLATFORM = "linux/amd64" if SYSTEM == "x86_64-linux" else "linux/arm64"
"""Of the containers that such a Mac runs: without `platforms` its image is as with that one."""


@pytest.fixture
def mac(tmp_path: Path, publish: Publish) -> Publish:
    """`publish`, as a Mac runs it."""
    environ = write_mac(tmp_path / "mac")

    def run(*flags: str, cwd: Path = tmp_path, stdin: str = "", **more: str) -> Ended:
        done = publish(*flags, cwd=cwd, stdin=stdin, **{**environ, **more})
        assert not list(Path(environ["TMPDIR"]).iterdir()), "a temporary file was left behind"
        return done

    return run


def test_a_mac_ships_the_same_from_its_own_store_and_from_a_far_one(
    mac: Publish, make_machine: MakeMachine, registry: Registry, tmp_path: Path
) -> None:
    """Into a registry, and into a folder; tests/e2e/test_far_store.py compares the second with what Linux ships."""
    flake = tmp_path / "app"
    write_far_flake(flake, salt=str(uuid.uuid4()))
    flags = ("--flake", f"path:{flake}#package", "--created", "keep")
    name = f"{registry.host}/{registry.new_repository()}:1"
    own = mac(*flags, "--tags", name, "--plain-http", registry.host)
    assert own.code == 0, own.stderr
    assert "on a Mac: " in own.stderr
    there = from_far(mac, make_machine("far"), *flags, "--to", f"oci:{tmp_path}/far")
    assert there.code == 0, there.stderr
    assert manifest(tmp_path / "far") in own.stdout


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_result_is_the_same_image_on_a_mac(
    mac: Publish, publish: Publish, nix_environ: Mapping[str, str], tmp_path: Path, kind: str
) -> None:
    flake = tmp_path / "app"
    write_far_flake(flake, salt=str(uuid.uuid4()))
    if kind == "document":
        write_document(flake, here(nix_environ, flake, "data"), 0)
    flags = (
        "--flake",
        f"path:{flake}#{kind}",
        "--created",
        "keep",
        "--sbom",
        "cyclonedx",
        "--provenance",
        "on",
    )
    for name, by, more in (("mac", mac, ()), ("linux", publish, ("--platforms", PLATFORM))):
        done = by(*flags, *more, "--to", f"oci:{tmp_path}/of-{name}")
        assert done.code == 0, done.stderr
    assert manifest(tmp_path / "of-mac") == manifest(tmp_path / "of-linux")


def test_a_key_is_removed_on_a_mac_too(tmp_path: Path) -> None:
    """Also after signal 9, for which the launcher waits; it is the one thing that it does there."""
    key = tmp_path / "key"
    key.touch()
    held = (
        "from flakeship.confinement.leftover_secrets import removed_with_us\n"
        f"with removed_with_us([__import__('pathlib').Path({str(key)!r})]): print(flush=True); input()\n"
    )
    environ = write_mac(tmp_path / "mac")
    with subprocess.Popen(
        [sys.executable, "-c", held], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline()
        process.kill()
        process.stdout.read()
    launcher = Path("src/flakeship/confinement/launcher.py").resolve()
    as_mac = f"import sys, runpy; sys.platform = 'darwin'; sys.argv[:] = sys.argv[1:]; runpy.run_path({str(launcher)!r}, run_name='__main__')"
    key.touch()
    subprocess.run(
        [sys.executable, "-I", "-c", as_mac, "launcher.py", "sweep", str(key), "--"], input=b"", check=True
    )
    assert not key.exists()
