"""Builds where Nix may make no namespaces: this machine's own Nix inside a container, and inside a bare chroot."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.testbed.docker import Docker

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("docker")]  # the engine is asked for by name

Confined: TypeAlias = Callable[[Mapping[str, str], str], subprocess.CompletedProcess[bytes]]

INTO_CHROOT = """
set -e
mount --make-rprivate /
for part in /*; do
  if [ -L "$part" ]; then cp -P "$part" "$0/"
  elif [ -d "$part" ]; then mkdir "$0$part"; mount --rbind "$part" "$0$part"
  fi
done
exec chroot "$0" sh -c "$1"
"""


@pytest.fixture
def in_container(dockerd: Docker, base_image: str) -> Confined:
    """Run a line of sh as root of this machine's files, with the rights of a container."""

    def run(environ: Mapping[str, str], line: str) -> subprocess.CompletedProcess[bytes]:
        variables = [part for name, value in environ.items() for part in ("-e", f"{name}={value}")]
        mounts = ("-v", "/:/machine", "--network", "host")
        return dockerd.run(
            "run", "--rm", *mounts, *variables, base_image, "chroot", "/machine", "sh", "-c", line
        )

    return run


@pytest.fixture
def in_chroot(tmp_path: Path) -> Confined:
    """The same, with all rights, where the root is no mount: there Nix 2.8 fails and does not fall back."""
    root = tmp_path / "root"
    root.mkdir()

    def run(environ: Mapping[str, str], line: str) -> subprocess.CompletedProcess[bytes]:
        command = ("unshare", "--mount", "sh", "-c", INTO_CHROOT, str(root), line)
        return subprocess.run(command, env=dict(environ), capture_output=True, check=False, timeout=120)

    return run


@pytest.mark.parametrize("place", ["in_container", "in_chroot"])
@pytest.mark.parametrize(("sandbox", "code"), [("auto", 0), ("required", 3)])
def test_root_without_namespaces(  # noqa: PLR0917 - fixtures are given by name
    request: pytest.FixtureRequest,
    make_flake: Callable[..., Path],
    nix_environ: Mapping[str, str],
    place: str,
    sandbox: str,
    code: int,
) -> None:
    confined: Confined = request.getfixturevalue(place)
    folder = make_flake(fresh=True)
    publish = f"-m flakeship publish --flake .#hello --to oci:out --sandbox {sandbox}"
    done = confined(nix_environ, f"cd {shlex.quote(str(folder))} && exec {sys.executable} {publish}")
    told = done.stderr.decode()
    assert done.returncode == code, told
    assert told.count("this container allows no namespaces") == 1
    assert (folder / "out/index.json").exists() is (code == 0)
