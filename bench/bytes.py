"""gzip against zstd, level by level: bytes, packing, a push to a registry that is far away, and pulls from it.

Pulls by podman of this machine, and by Docker of Debian trixie: the one of Debian 12 can't read zstd. Its engine runs in a
folder of its own, which mmdebstrap fills from Debian's packages; that needs root. Levels of gzip end at isal's 3, which
flakeship refuses, since its bytes differ between processors; here it is measured all the same.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from images import archive, layers_of
from runs import empty, machine, measure, registry
from tests.testbed.relay import delayed
from tools import publish

from flakeship.image.compress import Algorithm, Compression, compressed
from flakeship.image.stream import chunks
from flakeship.image.zstd_estimate import ZstdSample

REFUSED = "gzip-3"
RECIPES = ("gzip-1", "gzip-2", REFUSED, "zstd-1", "zstd-3", "zstd-6", "zstd-9")
MBIT = 1_000_000 / 8
_PACKAGES = "docker.io,docker-cli,iptables,ca-certificates"
_IN_A_FOLDER = """
root=$1
mount --bind "$root" "$root"
for each in proc sys dev; do mount --rbind "/$each" "$root/$each"; done
mount -t tmpfs tmpfs "$root/run"
exec setpriv --pdeathsig TERM chroot "$root" dockerd --host unix:///data/docker.sock --data-root /data \
  --exec-root /run/engine --pidfile /run/dockerd.pid --bridge none --iptables=false --ip6tables=false \
  >"$root/data/dockerd.log" 2>&1 </dev/null
"""
"""It pulls and runs nothing, so that it needs no network of its own."""


@dataclass(frozen=True, slots=True)
class Puller:
    """`pull` is the command line for a reference, `forget` the one after which nothing of it is there."""

    name: str
    pull: Callable[[str], Sequence[str]]
    forget: Sequence[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=400, help="megabytes (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, default=40, help="of a round trip")
    parser.add_argument("--megabits", type=float, default=200, help="a second")
    parser.add_argument(
        "--docker", type=Path, help="a folder with Docker, or to be filled (default: no Docker)"
    )
    parser.add_argument(
        "--recipes", nargs="+", choices=RECIPES, default=list(RECIPES), metavar="RECIPE", help=f"of {RECIPES}"
    )
    chosen = parser.parse_args()
    with contextlib.ExitStack() as scope:
        folder = Path(scope.enter_context(tempfile.TemporaryDirectory(prefix="bytes-")))
        os.environ["HOME"] = str(folder)
        image = folder / "image.tar"
        archive(image, size=chosen.size * 1_000_000, layers=chosen.layers)
        print(
            f"{image.stat().st_size / 1e6:,.0f} MB in {chosen.layers} layers, on {machine()}.\n", flush=True
        )
        pullers = [_podman(folder / "podman")] if shutil.which("podman") else []
        if chosen.docker:
            pullers.append(scope.enter_context(_docker(chosen.docker.resolve())))
        near = scope.enter_context(registry(folder)).host
        far = scope.enter_context(
            delayed(near, round_trip=chosen.milliseconds / 1e3, rate=chosen.megabits * MBIT)
        )
        print(_table(_compared(image, folder, far, pullers, recipes=chosen.recipes, rounds=chosen.rounds)))
        print(f"\n{_estimated(image)}")


Found = Mapping[str, Mapping[str, float]]


def _compared(
    image: Path,
    folder: Path,
    far: str,
    pullers: Sequence[Puller],
    *,
    recipes: Sequence[str],
    rounds: int,
) -> Found:
    """The median of each column for each recipe: seconds, but for the megabytes."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        for name in recipes:
            row, compression = found[name], _compression(name)
            size, seconds = _packed(image, compression)
            row["MB"].append(size / 1e6)
            row["pack"].append(seconds)
            if name == REFUSED:
                continue
            how = ("--compression", compression.algorithm, "--compression-level", str(compression.level))
            empty(folder)
            flags = ("--source", str(image), *how, "--plain-http", far, "--tags", f"{far}/ours:1")
            row["push"].append(measure(publish(*flags)).seconds)
            for puller in pullers:
                measure(puller.forget)
                row[f"pull by {puller.name}"].append(measure(puller.pull(f"{far}/ours:1")).seconds)
                measure(puller.forget)
            print(f"  {number} {name}: {dict(row)}", file=sys.stderr, flush=True)
    return {
        name: {column: statistics.median(runs) for column, runs in row.items()} for name, row in found.items()
    }


def _compression(name: str) -> Compression:
    algorithm, _, level = name.partition("-")
    return Compression(cast("Algorithm", algorithm), int(level))


def _packed(image: Path, how: Compression) -> tuple[int, float]:
    """The size of all blobs, and the processor seconds that reading and compressing took."""
    begun = time.process_time()
    with ThreadPoolExecutor(1) as pool:
        size = sum(
            len(piece)
            for layer in layers_of(image)
            for piece in compressed(chunks(layer), how, pool=pool, in_flight=2)
        )
    return size, time.process_time() - begun


def _estimated(image: Path) -> str:
    """What a summary would say of zstd, and what is right."""
    sample = ZstdSample(least=1)
    with ThreadPoolExecutor(1) as pool:
        for layer in layers_of(image):
            for _ in compressed(chunks(layer), Compression(), pool=pool, in_flight=2, watch=sample.took):
                pass
    told = sample.estimate()
    if not told:
        return "No chunk came into the sample."
    right = _packed(image, Compression("zstd", 3))[0]
    return f"Estimated for zstd 3: {told.zstd / 1e6:.1f} MB, {told.zstd / right - 1:+.1%} beside the truth."


def _podman(root: Path) -> Puller:
    podman = ("podman", "--root", str(root / "root"), "--runroot", str(root / "run"))
    return Puller(
        "podman",
        lambda reference: (*podman, "pull", "--quiet", "--tls-verify=false", reference),
        (*podman, "image", "rm", "--all", "--force"),
    )


@contextlib.contextmanager
def _docker(root: Path) -> Iterator[Puller]:
    """An engine of Debian trixie in `root`, which is filled if it is not there."""
    if not root.exists():
        valid = '--aptopt=Acquire::Check-Valid-Until "false"'
        argv = ("mmdebstrap", "--quiet", "--variant=minbase", valid, f"--include={_PACKAGES}", "trixie", root)
        subprocess.run(argv, check=True)
    (root / "data").mkdir(exist_ok=True)
    docker = ("docker", "--host", f"unix://{root}/data/docker.sock")
    apart = ("unshare", "--mount", "--propagation", "slave", "sh", "-euc", _IN_A_FOLDER, "engine", root)
    with subprocess.Popen(apart) as daemon:
        try:
            while subprocess.run((*docker, "version"), capture_output=True, check=False).returncode:
                if daemon.poll() is not None:
                    raise SystemExit((root / "data/dockerd.log").read_text()[-4000:])
                time.sleep(0.1)
            yield Puller(
                "docker",
                lambda reference: (*docker, "pull", "--quiet", reference),
                (*docker, "image", "prune", "--all", "--force"),
            )
        finally:
            daemon.terminate()


def _table(found: Found) -> str:
    columns = list(next(iter(found.values())))
    lines = [f"| | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for name, row in found.items():
        cells = (f"{row[column]:.1f}" if column in row else "" for column in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
