"""A real Docker engine for tests: the machine's own if it answers, else one started here with a folder and socket of its own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

BASE_IMAGE = "debian:trixie-slim"
BASE_IMAGE_SCRIPT = Path(__file__).with_name("base-image.sh")
# What the engine leaves outside its own folder, innermost first.
TRACES = [
    "/etc/docker/key.json",
    "/etc/docker",
    "/run/docker/plugins",
    "/run/docker",
    "/run/containerd/s",
    "/run/containerd",
    "/opt/containerd/bin",
    "/opt/containerd/lib",
    "/opt/containerd",
]


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
    """A running engine. Its own network is off when it is ours: build and run with `--network host`."""
    with tempfile.TemporaryDirectory(prefix="flakeship-docker-") as folder:
        root = Path(folder)
        (root / "config").mkdir()
        machines = Docker(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"), root / "config")
        if machines.answers():
            yield machines
        else:
            with engine(root):
                yield Docker(f"unix://{root}/docker.sock", root / "config")


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


@contextlib.contextmanager
def engine(root: Path) -> Iterator[None]:
    """Run dockerd inside `root`, which has a folder `config`; it listens on `root`/docker.sock.

    Its mounts and its traces in /etc and /run are gone in the end.
    """
    assert os.geteuid() == 0, (
        "no Docker engine answers, and only root can start one: start docker, or run as root"
    )
    new = [trace for trace in map(Path, TRACES) if not trace.exists()]
    log = root / "dockerd.log"
    with log.open("wb") as stream:
        # The signal ends it with the tests, however they end.
        argv = ("setpriv", "--pdeathsig", "TERM", "dockerd", *_engine_flags(root))
        engine = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
    try:
        _await(engine, Docker(f"unix://{root}/docker.sock", root / "config"), log)
        yield
    finally:
        engine.terminate()
        engine.wait(60)
        _unmount_below(root)
        for trace in new:
            with contextlib.suppress(OSError):  # another engine has put something there
                trace.rmdir() if trace.is_dir() else trace.unlink(missing_ok=True)


def _engine_flags(root: Path) -> list[str]:
    """Everything below `root`; no bridge and no firewall rules, which would outlive the engine and clash with another."""
    (root / "daemon.json").write_text("{}")
    places = {
        "config-file": "daemon.json",
        "data-root": "data",
        "exec-root": "exec",
        "pidfile": "dockerd.pid",
    }
    network = ("--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false")
    return [
        f"--host=unix://{root}/docker.sock",
        *network,
        *(f"--{flag}={root / name}" for flag, name in places.items()),
    ]


def _await(engine: subprocess.Popen[bytes], docker: Docker, log: Path) -> None:
    deadline = time.monotonic() + 60
    while not docker.answers():
        assert engine.poll() is None, f"dockerd ended:\n{log.read_text()[-4000:]}"
        assert time.monotonic() < deadline, f"dockerd does not answer:\n{log.read_text()[-4000:]}"
        time.sleep(0.1)


def _unmount_below(root: Path) -> None:
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in sorted((place for place in mounts if place.startswith(f"{root}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=True)
