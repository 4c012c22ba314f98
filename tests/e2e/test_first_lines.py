"""The lines that a newcomer copies from `--help` and the greeting, run by a shell with real Nix and a real registry."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.settings.test_first_help import examples, said
from tests.testbed.nix import MakeFlake
from tests.testbed.registry import Registry

pytestmark = pytest.mark.slow

_FEATURES = ("--extra-experimental-features", "nix-command flakes")
Typed = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def typed(nix_environ: Mapping[str, str], make_flake: MakeFlake, registry: Registry) -> Typed:
    """Run a line in a flake, with the registry that there is and a folder in place of an engine."""
    folder, repository = make_flake(), f"{registry.host}/{registry.new_repository()}"
    program = Path(sys.executable).with_name("flakeship")
    here = {
        "ghcr.io/me/app": repository,
        "docker-daemon:app:1": "oci:loaded:1",
        "flakeship ": f"{program} ",
    }

    def run(line: str) -> subprocess.CompletedProcess[str]:
        for shown, ours in here.items():
            line = line.replace(shown, ours)
        attribute = ".#stream" if line.startswith("./result") else ".#image"
        subprocess.run(["nix", *_FEATURES, "build", attribute], cwd=folder, env=nix_environ, check=True)
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=folder,
            env={**nix_environ, "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("line", examples(said() + said("publish", "--help")))
def test_a_line_of_the_help_does_what_it_says(line: str, typed: Typed) -> None:
    done = typed(line)
    assert done.returncode == 0, done.stderr
    assert bool(done.stdout.strip()) != ("--dry-run" in line)
