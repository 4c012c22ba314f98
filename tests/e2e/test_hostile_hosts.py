"""Where a registry sends us, in a world of our own: no connection that is not meant, and no secret astray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hostile_scenes import NAMES, SCENES
from tests.testbed.registry_tls import write_certificate

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hostile")]

# Every address is this machine: https://www.man7.org/linux/man-pages/man8/ip-route.8.html (type local)
_WORLD = """
ip link set lo up
ip route add local 0.0.0.0/0 dev lo
ip -6 route add local ::/0 dev lo
PATH= exec "$@"
"""
"""A run without git begins sooner."""

_ADDRESSES = ("8.8.8.8", "8.8.4.4", "9.9.9.9", "10.0.0.1", "10.0.0.2", "10.0.0.3")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All scenes, played one after the other by one process: what the command did, and who saw what."""
    from tests.testbed import archives

    folder = tmp_path_factory.mktemp("hostile")
    archives.write_all(folder / "archives")
    certificate, key = write_certificate(folder, *NAMES, addresses=_ADDRESSES)
    results = folder / "results.json"
    program = [sys.executable, "-m", "tests.e2e.hostile_scenes", str(certificate), str(key)]
    program += [str(folder / "archives/layered.tar"), str(folder), str(results)]
    own_users = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", "--net", *own_users, "sh", "-e", "-c", _WORLD, "world", *program],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DOCKER_CONFIG": str(folder),
            "SSL_CERT_FILE": str(certificate),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert results.exists(), done.stderr
    found: dict[str, Any] = json.loads(results.read_text())
    return found


@pytest.mark.parametrize("name", SCENES)
def test_nothing_goes_astray(name: str, played: dict[str, Any]) -> None:
    scene, result = SCENES[name], played[name]
    assert result["leaks"] == []
    assert result["seen"], "nobody was asked: the scene shows nothing"
    if scene.exit_code is not None:
        assert result["code"] == scene.exit_code, result["output"]


def test_there_are_many_scenes() -> None:
    assert len(SCENES) >= 130
