"""Real podman with a storage of its own, below the test's folder; its service on a socket there."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Podman:
    """The command, bound to the storage of one test. It can't run containers here: that takes more than a storage."""

    environ: Mapping[str, str]
    socket: Path

    def __call__(self, *argv: str) -> str:
        """Run `podman ARGV` and return its stdout; AssertionError when it fails."""
        done = subprocess.run(["podman", *argv], env=self.environ, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Podman]:
    folder = tmp_path / "podman"
    (folder / "config").mkdir(parents=True)
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/graph"\n'
    )
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_RUNTIME_DIR": str(folder),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }
    yield Podman(environ, folder / "podman/podman.sock")
    subprocess.run(["podman", "rmi", "--all", "--force"], env=environ, capture_output=True, check=False)


@pytest.fixture
def podman_service(podman: Podman) -> Iterator[Podman]:
    """The same with its service on its socket, where a user's would be."""
    podman.socket.parent.mkdir()
    argv = ["podman", "system", "service", "--time", "0", f"unix://{podman.socket}"]
    service = subprocess.Popen(argv, env=podman.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not podman.socket.exists():
            assert service.poll() is None, "podman's service ended"
            assert time.monotonic() < deadline, "podman's service does not start"
            time.sleep(0.05)
        yield podman
    finally:
        service.terminate()
        service.wait(30)
