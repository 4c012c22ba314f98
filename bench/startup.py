"""How long a start takes, by a warm disk: `flakeship --version`, and the imports of a push, of each kind of source.

usage: ./dev bench startup [--rounds N]

What a push imports is not written down here: one real push of each kind to a registry on loopback says which modules
were there at its end, and these are then imported by themselves. The budgets are 0.15 s and 0.25 s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from images import archive
from runs import registry

EXAMPLE = Path(__file__).parent.parent / "examples/demo"
NIX = "experimental-features = nix-command flakes\nbuild-users-group =\nsubstituters =\n"
VERSION = "import sys; sys.argv[1:] = ['--version']; from flakeship.__main__ import entry; entry()"
# Some modules of others go by a second name, under which they can't be imported.
RECORD = """
import json, sys
from flakeship import cli
file, *argv = sys.argv[1:]
assert cli.main(argv) == 0
there = [name for name, module in sys.modules.items() if getattr(getattr(module, "__spec__", None), "name", "") == name]
json.dump([name for name in there if name != "__main__"], open(file, "w"))
"""
IMPORT = """
import gc, importlib
from flakeship.__main__ import GC_THRESHOLD
gc.set_threshold(GC_THRESHOLD)
for name in {names}: importlib.import_module(name)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    starts = {"python alone": "", "flakeship --version": VERSION}
    with tempfile.TemporaryDirectory() as name, registry(Path(name)) as server:
        for kind, words in sources(Path(name)):
            names = imported(Path(name), [*words, "--tags", f"{server.host}/startup:{len(starts)}"])
            ours = sum(each.startswith("flakeship") for each in names)
            title = f"imports of a push of {kind} ({len(names)} modules, {ours} of them ours)"
            starts[title] = IMPORT.format(names=names)
    took: dict[str, list[float]] = {title: [] for title in starts}
    for _ in range(rounds):
        for title, script in starts.items():
            took[title].append(seconds(script))
    print("| | median | best |\n| --- | --- | --- |")
    for title, each in took.items():
        print(f"| {title} | {statistics.median(each):.3f} s | {min(each):.3f} s |")


def sources(folder: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """Small ones, and how each is named on the command line."""
    tar, layout, script = folder / "image.tar", folder / "layout", folder / "stream"
    archive(tar, size=1_000_000, layers=2)
    yield "an archive", ("--source", str(tar))
    run(sys.executable, "-m", "flakeship", "publish", "--source", str(tar), "--to", f"oci:{layout}:1")
    yield "an OCI layout", ("--source", str(layout))
    script.write_text(f"#!/bin/sh\nexec cat {tar}\n")
    script.chmod(0o755)
    yield "a stream", ("--source", str(script))
    flake = folder / "flake"
    shutil.copytree(EXAMPLE, flake)
    (flake / "bin").mkdir()
    shutil.copy("/bin/busybox", flake / "bin/busybox")
    yield "a flake", ("--flake", f"path:{flake}", "--nix-config", NIX)


def imported(folder: Path, words: Sequence[str]) -> list[str]:
    """The names of all modules that a push had imported when it was done, in the order in which they came."""
    file = folder / "modules.json"
    run(sys.executable, "-c", RECORD, str(file), "publish", *words)
    names: list[str] = json.loads(file.read_text())
    return names


def run(*argv: str) -> None:
    environ = {**os.environ, "FLAKESHIP_LAYER_CACHE": "off"}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{argv} failed:\n{done.stderr[-2000:]}")


def seconds(script: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
