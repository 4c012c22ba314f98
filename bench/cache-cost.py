"""What `nix-cache` costs a build that takes nothing from it: a warm store, and a package that is there, or is built and then kept.

Whole runs of `publish` to a registry on loopback, with the cache beside the image and without, in turn. The package that is built
sleeps, so that the build takes as long on every machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from runs import FLAKESHIP, machine
from tests.testbed import archives
from tests.testbed.machines import THIS_SYSTEM
from tests.testbed.nix import NIX_CONFIG
from tests.testbed.own_store import new_store
from tests.testbed.registry import serve

_FLAKE = """{
  outputs = { self }: {
    packages.@system@.default = derivation {
      name = "app-1.0";
      system = "@system@";
      builder = "${./busybox}/busybox";
      args = [ "sh" "-euc" ''
        b=${./busybox}/busybox
        $b sleep @seconds@
        $b mkdir -p $out/bin
        $b cp $b $out/bin/app
        echo @salt@ > $out/salt
      '' ];
    };
  };
}
"""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds by the clock, and of the processor with all that was started."""

    clock: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="that the build sleeps (default: %(default)s)"
    )
    parser.add_argument("--nix", default="", help="a folder with another Nix, put before PATH")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cache-cost-") as name, serve(Path(name, "registry")) as server:
        folder = Path(name)
        (folder / "app/busybox").mkdir(parents=True)
        shutil.copy(archives.BUSYBOX, folder / "app/busybox/busybox")
        environ = {
            "HOME": name,
            "PATH": f"{chosen.nix}:{os.environ['PATH']}" if chosen.nix else os.environ["PATH"],
            "NIX_CONFIG": NIX_CONFIG,
            "FLAKESHIP_LAYER_CACHE": "off",
        }
        runner = new_store(folder / "runner", environ)
        try:
            words = (*FLAKESHIP, "publish", "--flake", f"path:{name}/app", "--reuse", "off")
            words += ("--images", f"{server.host}/app", "--tags", "bench")
            ways = [runner.command(*words, *cache) for cache in (("--nix-cache", "registry"), ())]
            print(f"On {machine()}, each the median of {chosen.rounds} runs.\n")
            print(
                "| a package that | with `nix-cache` | without | ratio | processor |\n|---|---|---|---|---|"
            )
            for which, builds in (("is there", False), ("is built and kept", True)):
                pairs = _pairs(ways, runner.environ, folder / "app", chosen, builds=builds)
                ours, others = (
                    statistics.median(each.clock for each in all_) for all_ in zip(*pairs, strict=True)
                )
                ratio = statistics.median(one.clock / other.clock for one, other in pairs)
                busy = statistics.median(one.processor - other.processor for one, other in pairs)
                print(
                    f"| {which} | {ours:.2f} s | {others:.2f} s | {ratio:.3f} | {busy:+.2f} s |", flush=True
                )
        finally:
            subprocess.run(["chmod", "-R", "u+w", str(runner.folder)], check=False)


def _pairs(
    ways: Sequence[Sequence[str]],
    environ: Mapping[str, str],
    app: Path,
    chosen: argparse.Namespace,
    *,
    builds: bool,
) -> list[tuple[Took, Took]]:
    _write(app, chosen, 0)
    for way in ways:  # what is only fetched or compiled once
        _run(way, environ, app)
    pairs = []
    for number in range(chosen.rounds):
        took = []
        for place, way in enumerate(ways):
            _write(app, chosen, f"{number}-{place}" if builds else 0)
            took.append(_run(way, environ, app))
        pairs.append((took[0], took[1]))
    return pairs


def _write(app: Path, chosen: argparse.Namespace, salt: object) -> None:
    text = _FLAKE.replace("@system@", THIS_SYSTEM).replace("@seconds@", f"{chosen.seconds:g}")
    (app / "flake.nix").write_text(text.replace("@salt@", str(salt)))


def _run(argv: Sequence[str], environ: Mapping[str, str], cwd: Path) -> Took:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(argv, env=environ, cwd=cwd, capture_output=True, check=False)
    clock, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"publish failed:\n{done.stderr.decode()}")
    return Took(clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
