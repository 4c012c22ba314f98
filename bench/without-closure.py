"""An image of what a far cache has, on a runner with an empty store: read from the cache, and realised first, then pushed.

A relay on loopback stands between the runner and the cache, which is a plain one over HTTP, or `nix-cache` in a registry. The
registry of the image is near, and has the image as it was: one small path changes, and with it the package.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from changing import arguments, write_flake
from runs import FLAKESHIP, machine
from tests.testbed import archives
from tests.testbed.nix import NIX_CONFIG
from tests.testbed.own_store import OwnStore, short_lived_store
from tests.testbed.registry import serve
from tests.testbed.relay import Passed, metered

MBIT = 1_000_000 / 8
KINDS = ("http", "registry")
READ, REALISED = "flakeship, from the cache", "realised first, then pushed"
_KEY = "bench-1"


@dataclass(slots=True)
class Bench:
    """`builder` is the runner that has built all, and keeps it in the caches; `image` is the host of the near registry."""

    folder: Path
    environ: Mapping[str, str]
    builder: OwnStore
    image: str
    hosts: Mapping[str, str]
    """Of the far caches, by their kind."""
    count: int = field(default=0)
    new: int = field(default=0)
    """Bytes of the NARs, compressed, that the last change has brought."""

    @property
    def flake(self) -> str:
        return f"path:{self.folder}/app#default"

    @property
    def key(self) -> str:
        return (self.folder / "public").read_text()

    def change(self, chosen: argparse.Namespace, salt: str, change: str) -> None:
        """Another small path and another package, which are built and kept in both caches."""
        write_flake(
            self.folder / "app/flake.nix",
            bytes_=chosen.megabytes * 1_000_000,
            paths=chosen.paths,
            changed=chosen.changed * 1_000_000,
            salt=salt,
            change=change,
        )
        kept = (
            "--nix-cache",
            f"docker://{self.hosts['registry']}/cache?size=50G",
            "--plain-http",
            self.hosts["registry"],
        )
        run(self.builder, *FLAKESHIP, "publish", "--flake", self.flake, "--to", f"oci:{self.folder}/x", *kept)
        target = f"file://{self.folder}/cache?secret-key={self.folder}/secret&compression=zstd"
        before = self._kept()
        run(self.builder, "nix", "copy", "--to", target, self.flake)
        self.new = self._kept() - before

    def _kept(self) -> int:
        return sum(file.stat().st_size for file in (self.folder / "cache").glob("nar/*"))

    def published(self, reference: str) -> None:
        """Publish the image from where all of it lies."""
        flags = ("--tags", reference, "--plain-http", self.image)
        run(self.builder, *FLAKESHIP, "publish", "--flake", self.flake, *flags)

    def read(self, runner: OwnStore, kind: str, host: str, reference: str) -> None:
        flags = ("--tags", reference, "--plain-http", f"{self.image}\n{host}")
        if kind == "http":
            cache = ("--substituters", f"http://{host}", "--trusted-public-keys", self.key)
        else:
            cache = ("--nix-cache", f"docker://{host}/cache?size=50G")
        run(runner, *FLAKESHIP, "publish", "--flake", self.flake, *flags, *cache)

    def realised(self, runner: OwnStore, kind: str, host: str, reference: str) -> None:
        """As one does it today: let Nix take all of it from the plain cache, and push from the store."""
        assert kind == "http", "Nix itself reads no registry"
        options = ("--option", "substituters", f"http://{host}", "--option", "trusted-public-keys", self.key)
        run(runner, "nix", "build", "--out-link", str(runner.folder / "result"), *options, self.flake)
        flags = ("--tags", reference, "--plain-http", self.image)
        run(runner, *FLAKESHIP, "publish", "--source", str(runner.folder / "result"), *flags)

    @contextlib.contextmanager
    def runner(self) -> Iterator[OwnStore]:
        """A runner with an empty store."""
        self.count += 1
        with short_lived_store(self.folder / f"runner-{self.count}", self.environ) as cold:
            yield cold


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--changed", type=int, default=5, help="megabytes of the path that does (default: %(default)s)"
    )
    chosen = parser.parse_args()
    print(
        f"On {machine()}: {chosen.megabytes} MB in {chosen.paths + 2} store paths, of which one of {chosen.changed} MB changes, and the "
        f"package with it; {chosen.milliseconds:g} ms and {chosen.megabits:g} Mbit/s.\n"
    )
    found: dict[str, list[tuple[float, Passed]]] = {}
    with opened() as bench:
        salt = str(uuid.uuid4())
        ways = (
            (f"{READ} over HTTP", "http", bench.read),
            (f"{READ} in a registry", "registry", bench.read),
            (REALISED, "http", bench.realised),
        )
        for number in range(chosen.rounds):
            bench.change(chosen, salt, f"before-{number}")
            references = [f"{bench.image}/bench-{place}:1" for place in range(len(ways))]
            for reference in references:
                bench.published(reference)
            bench.change(chosen, salt, f"after-{number}")
            for (name, kind, way), reference in zip(ways, references, strict=True):
                run_ = measured(bench, chosen, functools.partial(way, kind=kind, reference=reference), kind)
                found.setdefault(name, []).append(run_)
    print(
        f"What is new takes {bench.new / 1e6:.2f} MB in the cache.\n\n| | seconds | MB down |\n|---|---|---|"
    )
    for name, runs in found.items():
        seconds = sorted(seconds for seconds, _ in runs)[len(runs) // 2]
        print(f"| {name} | {seconds:.1f} | {max(passed.down for _, passed in runs) / 1e6:.2f} |")


def measured(
    bench: Bench, chosen: argparse.Namespace, way: Callable[..., None], kind: str
) -> tuple[float, Passed]:
    rate = chosen.megabits * MBIT
    with (
        bench.runner() as runner,
        metered(bench.hosts[kind], round_trip=chosen.milliseconds / 1e3, rate=rate) as passed,
    ):
        begun = time.monotonic()
        way(runner, host=passed.host)
        return time.monotonic() - begun, passed


class _Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def opened() -> Iterator[Bench]:
    """Caches that are far away, a registry that is near, and a runner that has nothing in its store yet."""
    with contextlib.ExitStack() as scope:
        folder = Path(scope.enter_context(tempfile.TemporaryDirectory(prefix="without-closure-")))
        (folder / "app/busybox").mkdir(parents=True)
        (folder / "cache").mkdir()
        shutil.copy(archives.BUSYBOX, folder / "app/busybox/busybox")
        environ = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "NIX_CONFIG": NIX_CONFIG,
            "FLAKESHIP_LAYER_CACHE": "off",
        }
        keys = (str(folder / "secret"), str(folder / "public"))
        subprocess.run(["nix-store", "--generate-binary-cache-key", _KEY, *keys], check=True)
        files = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(_Files, directory=str(folder / "cache"))
        )
        threading.Thread(target=files.serve_forever, daemon=True).start()
        scope.callback(files.shutdown)
        near, far = (scope.enter_context(serve(folder / name)) for name in ("near", "far"))
        builder = scope.enter_context(short_lived_store(folder / "builder", environ))
        hosts = {"http": f"127.0.0.1:{files.server_port}", "registry": far.host}
        yield Bench(folder, environ, builder, near.host, hosts)


def run(runner: OwnStore, *words: str) -> None:
    done = subprocess.run(runner.command(*words), env=runner.environ, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words[:4]} failed:\n{done.stderr.decode()}")


if __name__ == "__main__":
    main()
