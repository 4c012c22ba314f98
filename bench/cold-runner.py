"""A build on a runner with an empty store: what it needs comes from `nix-cache` in a registry, or from a plain folder of Nix's.

One package is always new and is built; all that it is made from is in both caches. A relay on loopback stands between the runner and
the registry, except at 0 ms. The folder is near: it is what a cache could be at best.
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent))

from runs import FLAKESHIP, machine
from tests.testbed import archives
from tests.testbed.machines import THIS_SYSTEM
from tests.testbed.nix import NIX_CONFIG
from tests.testbed.own_store import OwnStore, short_lived_store
from tests.testbed.registry import serve
from tests.testbed.relay import delayed

_KEY = "bench-1"
_FLAKE = """{
  outputs = { self }:
    let
      make = name: script: derivation {
        inherit name;
        system = "@system@";
        builder = "${./busybox}/busybox";
        args = [ "sh" "-euc" "b=${./busybox}/busybox; $b mkdir -p $out/lib; ${script}" ];
      };
      parts = map
        (number: make "part-${toString number}" "$b head -c @part@ /dev/urandom > $out/lib/random; $b cp $b $out/lib/program")
        (builtins.genList (number: number) @parts@);
    in {
      packages.@system@.parts = make "parts" "echo ${toString parts} > $out/lib/parts";
      packages.@system@.default = make "app-1.0" ''
        $b mkdir $out/bin
        $b cp $b $out/bin/app
        $b cat ${toString (map (part: "${part}/lib/random") parts)} | $b sha256sum > $out/lib/sum
        echo @salt@ >> $out/lib/sum
      '';
    };
}
"""


@dataclass(slots=True)
class Bench:
    """`registry` is the host of the registry that keeps the cache, `folder` has all files."""

    folder: Path
    environ: Mapping[str, str]
    registry: str
    count: int = 0

    def change(self, chosen: argparse.Namespace) -> None:
        """Let the package be another one, which no cache has."""
        self.count += 1
        values = {
            "system": THIS_SYSTEM,
            "part": chosen.megabytes * 1_000_000 // chosen.paths,
            "parts": chosen.paths,
            "salt": self.count,
        }
        text = _FLAKE
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        (self.folder / "app/flake.nix").write_text(text)

    def build(self, runner: OwnStore, *flags: str) -> list[str]:
        """Publish to a folder, and return the lines that tell which parts were built."""
        flake = f"path:{self.folder}/app#default"
        words = (*FLAKESHIP, "publish", "--flake", flake, "--to", f"oci:{runner.folder}/image", *flags)
        done = subprocess.run(
            runner.command(*words), env=runner.environ, cwd=runner.folder, capture_output=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"publish failed:\n{done.stderr.decode()}")
        return [line for line in done.stderr.decode().splitlines() if "building" in line and "-part-" in line]

    @contextlib.contextmanager
    def runner(self) -> Iterator[OwnStore]:
        self.count += 1
        with short_lived_store(self.folder / f"runner-{self.count}", self.environ) as cold:
            yield cold

    def seconds(self, chosen: argparse.Namespace, *flags: str) -> float:
        self.change(chosen)
        with self.runner() as runner:
            begun = time.monotonic()
            built = self.build(runner, *flags)
            took = time.monotonic() - begun
        if built:
            raise SystemExit(f"what a cache has was built: {built[:3]}")
        return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=400, help="of all paths (default: %(default)s)")
    parser.add_argument("--paths", type=int, default=200, help="that the caches have (default: %(default)s)")
    parser.add_argument("--milliseconds", default="0,20,80", help="of round trips (default: %(default)s)")
    parser.add_argument("--nix", default="", help="a folder with another Nix, put before PATH")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    with opened(chosen.nix) as bench:
        bench.change(chosen)
        with bench.runner() as builder:
            cache = f"docker://{bench.registry}/cache?size=50G"
            bench.build(builder, "--nix-cache", cache, "--plain-http", bench.registry)
            version = subprocess.run(
                builder.command("nix", "--version"),
                env=builder.environ,
                cwd=builder.folder,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            target = f"file://{bench.folder}/cache?secret-key={bench.folder}/secret&compression=zstd"
            subprocess.run(
                builder.command("nix", "copy", "--to", target, f"path:{bench.folder}/app#parts"),
                env=builder.environ,
                cwd=builder.folder,
                check=True,
            )
        print(
            f"On {machine()}, {version}: {chosen.megabytes} MB in {chosen.paths} store paths, and one package that is built.\n\n"
            f"| round trip | `nix-cache` in a registry | folder of Nix's | ratio |\n|---|---|---|---|"
        )
        plain = (
            "--substituters",
            f"file://{bench.folder}/cache",
            "--trusted-public-keys",
            (bench.folder / "public").read_text(),
        )
        for milliseconds in map(float, chosen.milliseconds.split(",")):
            with away(bench.registry, milliseconds) as host:
                ours = ("--nix-cache", f"docker://{host}/cache?size=50G", "--plain-http", host)
                pairs = [
                    (bench.seconds(chosen, *ours), bench.seconds(chosen, *plain))
                    for _ in range(chosen.rounds)
                ]
            first, second = (statistics.median(each) for each in zip(*pairs, strict=True))
            ratio = statistics.median(one / other for one, other in pairs)
            print(f"| {milliseconds:g} ms | {first:.2f} s | {second:.2f} s | {ratio:.2f} |", flush=True)


def away(registry: str, milliseconds: float) -> contextlib.AbstractContextManager[str]:
    """Yield the host of the registry at that distance. At none there is no relay, whose work would count as the cache's."""
    return (
        delayed(registry, round_trip=milliseconds / 1e3) if milliseconds else contextlib.nullcontext(registry)
    )


@contextlib.contextmanager
def opened(nix: str) -> Iterator[Bench]:
    with contextlib.ExitStack() as scope:
        folder = Path(scope.enter_context(tempfile.TemporaryDirectory(prefix="cold-runner-")))
        (folder / "app/busybox").mkdir(parents=True)
        shutil.copy(archives.BUSYBOX, folder / "app/busybox/busybox")
        environ = {
            "HOME": str(folder),
            "PATH": f"{nix}:{os.environ['PATH']}" if nix else os.environ["PATH"],
            "NIX_CONFIG": NIX_CONFIG,
            "FLAKESHIP_LAYER_CACHE": "off",
        }
        keys = (str(folder / "secret"), str(folder / "public"))
        subprocess.run(["nix-store", "--generate-binary-cache-key", _KEY, *keys], check=True)
        yield Bench(folder, environ, scope.enter_context(serve(folder / "registry")).host)


if __name__ == "__main__":
    main()
