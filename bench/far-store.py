"""An image whose closure lies in a store on another machine: shipped from there, and the closure copied and shipped from here.

A relay on loopback stands between this machine and that one; the registry is near. One small path changes, and with it the
package. Every round begins without anything of the closure on this machine. Needs root, for a second machine on this one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from changing import arguments, write_flake
from runs import FLAKESHIP, machine
from tests.testbed import archives
from tests.testbed.machines import FarMachine, started
from tests.testbed.nix import NIX_CONFIG
from tests.testbed.registry import serve
from tests.testbed.relay import Passed, metered
from tests.testbed.ssh import folder_of_sshd, new_key

MBIT = 1_000_000 / 8
CHANGED = 5_000_000


@dataclass(frozen=True, slots=True)
class Bench:
    """`environ` is of a machine that has nothing of the closure."""

    folder: Path
    far: FarMachine
    environ: Mapping[str, str]
    registry: str

    @property
    def flake(self) -> str:
        return f"path:{self.folder}/app#default"

    def change(self, chosen: argparse.Namespace, salt: str, change: str) -> None:
        write_flake(
            self.folder / "app/flake.nix",
            bytes_=chosen.megabytes * 1_000_000,
            paths=chosen.paths,
            changed=CHANGED,
            salt=salt,
            change=change,
        )

    def shipped(self, far: FarMachine, reference: str) -> None:
        told = {
            "FLAKESHIP_STORE": f"ssh-ng://{far.address}",
            "FLAKESHIP_SSH_KEY": far.key,
            "FLAKESHIP_SSH_KNOWN_HOSTS": far.known,
        }
        flags = ("--flake", self.flake, "--tags", reference, "--plain-http", self.registry)
        _run([*FLAKESHIP, "publish", *flags], {**self.environ, **told})

    def copied(self, far: FarMachine, reference: str) -> None:
        """As one does it today: build there, copy the closure, push from here."""
        key = self.folder / "key"
        ssh = f"-i {key} -p {far.port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        environ = {**self.environ, "NIX_SSHOPTS": ssh}
        store = f"ssh-ng://{far.address.rpartition(':')[0]}"
        there = _run(
            ["nix", "build", "--no-link", "--json", "--store", store, "--eval-store", "auto", self.flake],
            environ,
        )
        path = json.loads(there)[0]["outputs"]["out"]
        push = [*FLAKESHIP, "publish", "--source", path, "--tags", reference, "--plain-http", self.registry]
        script = (
            f"mount --bind {self.folder}/fresh /nix; "
            f'nix copy --no-check-sigs --from {store} {path}; exec "$@"'
        )
        (self.folder / "fresh").mkdir()
        try:
            _run(["unshare", "--mount", "sh", "-euc", script, "sh", *push], environ)
        finally:
            subprocess.run(["chmod", "-R", "u+w", str(self.folder / "fresh")], check=False)
            shutil.rmtree(self.folder / "fresh")


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    print(
        f"On {machine()}: {chosen.megabytes} MB in {chosen.paths + 2} store paths, of which one of "
        f"{CHANGED // 1_000_000} MB changes; {chosen.milliseconds:g} ms and {chosen.megabits:g} Mbit/s.\n"
    )
    with opened() as bench:
        salt = str(uuid.uuid4())
        found: dict[str, list[tuple[float, Passed]]] = {}
        for number in range(chosen.rounds):
            for name, way in (("flakeship", bench.shipped), ("nix copy, then push", bench.copied)):
                reference = f"{bench.registry}/bench-{name[:3]}-{number}:1"
                bench.change(chosen, salt, "before")
                bench.shipped(bench.far, reference)
                bench.change(chosen, salt, f"after-{name[:3]}-{number}")
                found.setdefault(name, []).append(measured(bench, chosen, way, reference))
        print("| | seconds | MB down | MB up |\n|---|---|---|---|")
        for name, runs in found.items():
            seconds = sorted(seconds for seconds, _ in runs)[len(runs) // 2]
            down, up = (max(getattr(passed, way) for _, passed in runs) / 1e6 for way in ("down", "up"))
            print(f"| {name} | {seconds:.1f} | {down:.1f} | {up:.1f} |")


def measured(
    bench: Bench, chosen: argparse.Namespace, way: Callable[[FarMachine, str], None], reference: str
) -> tuple[float, Passed]:
    host = f"127.0.0.1:{bench.far.port}"
    with metered(host, round_trip=chosen.milliseconds / 1e3, rate=chosen.megabits * MBIT) as passed:
        relayed = replace(bench.far, port=int(passed.host.rpartition(":")[2]))
        begun = time.monotonic()
        way(relayed, reference)
        return time.monotonic() - begun, passed


@contextlib.contextmanager
def opened() -> Iterator[Bench]:
    """A machine far away, and this one with a home, a store and a registry of its own."""
    with contextlib.ExitStack() as scope:
        folder = Path(scope.enter_context(tempfile.TemporaryDirectory(prefix="far-store-")))
        app = folder / "app/busybox"
        app.mkdir(parents=True)
        shutil.copy(archives.BUSYBOX, app / "busybox")
        scope.enter_context(folder_of_sshd())
        keys = new_key(folder / "key"), (folder / "key.pub").read_text()
        far = scope.enter_context(started(folder / "far", "far", keys))
        running = scope.enter_context(serve(folder / "registry"))
        environ = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "NIX_CONFIG": NIX_CONFIG,
            "FLAKESHIP_LAYER_CACHE": "off",
        }
        yield Bench(folder, far, environ, running.host)


def _run(argv: list[str], environ: Mapping[str, str]) -> bytes:
    done = subprocess.run(argv, env=environ, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{argv[:4]} failed:\n{done.stderr.decode()}")
    return done.stdout


if __name__ == "__main__":
    main()
