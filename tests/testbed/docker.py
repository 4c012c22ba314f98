"""A real Docker engine for tests, apart from the machine's own, and the image that tests build from."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.testbed.docker_engine import engine

BASE_IMAGE = "debian:trixie-slim"
BASE_IMAGE_SCRIPT = Path(__file__).with_name("base-image.sh")


@dataclass(frozen=True, slots=True)
class Docker:
    """The command line client bound to one engine, with a configuration of its own: no login of the user's is seen."""

    host: str
    config: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "DOCKER_HOST": self.host,
            "DOCKER_CONFIG": str(self.config),
            "DOCKER_BUILDKIT": "0",
        }

    def __call__(self, *argv: str, stdin: bytes = b"", timeout: float = 240) -> str:
        """Run `docker ARGV` and return its stdout; AssertionError with both outputs when it fails."""
        done = self.run(*argv, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, (
            f"docker {' '.join(argv)}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        )
        return done.stdout.decode()

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = 240) -> subprocess.CompletedProcess[bytes]:
        """Run `docker ARGV`, whatever it exits with."""
        return subprocess.run(
            ["docker", *argv],
            input=stdin,
            capture_output=True,
            env=self.environ,
            timeout=timeout,
            check=False,
        )

    def answers(self) -> bool:
        return self.run("version", "--format", "{{.Server.Version}}", timeout=30).returncode == 0


def pytest_itemcollected(item: pytest.Item) -> None:
    """One engine for all: tests that need it run in one worker, and never in a fast run."""
    if "dockerd" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.xdist_group("docker"))
        item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Docker]:
    """A running engine. To root it is one of our own, which leaves the machine's alone; others can only ask the machine's."""
    with tempfile.TemporaryDirectory(prefix="flakeship-docker-") as folder:
        root = Path(folder)
        (root / "config").mkdir()
        if os.geteuid() == 0:
            ours = Docker(f"unix://{root}/docker.sock", root / "config")
            with engine(root):
                yield ours
        else:
            machines = Docker(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"), root / "config")
            assert machines.answers(), (
                "no Docker engine answers, and only root can start one: start docker, or run as root"
            )
            yield machines


@pytest.fixture(scope="session")
def base_image(dockerd: Docker) -> Iterator[str]:
    """`debian:trixie-slim`, there to build from without a pull."""
    if dockerd.run("image", "inspect", BASE_IMAGE).returncode == 0:
        yield BASE_IMAGE
        return
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    changes = ("--change", 'CMD ["bash"]', "--change", f"ENV {path}")
    dockerd("import", *changes, str(_base_file_system("trixie")), BASE_IMAGE)
    yield BASE_IMAGE
    dockerd("image", "rm", "--no-prune", BASE_IMAGE)


def _base_file_system(suite: str) -> Path:
    """The tarball of the base image, made once for a recipe and a set of certificates, kept in the user's cache."""
    certificates = sorted(Path("/usr/local/share/ca-certificates").glob("*.crt"))
    recipe = b"".join(file.read_bytes() for file in (BASE_IMAGE_SCRIPT, *certificates))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flakeship-tests"
    kept = cache / f"debian-{suite}-{hashlib.sha256(recipe).hexdigest()[:16]}.tar"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        for outdated in cache.glob(f"debian-{suite}-*.tar"):
            outdated.unlink()
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = Path(folder) / "base.tar"
            subprocess.run(
                [BASE_IMAGE_SCRIPT, suite, made], check=True, stdin=subprocess.DEVNULL, timeout=280
            )
            made.rename(kept)
    return kept
